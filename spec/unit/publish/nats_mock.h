#ifndef SPEC_UNIT_PUBLISH_NATS_MOCK_H
#define SPEC_UNIT_PUBLISH_NATS_MOCK_H

#include "publish/publish_nats.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As much of a NATS server as a publisher meets, in this process, a thread for each connection.
 * What it does is decided by the fields below, under the lock. */
enum nats_mock_way {
    NATS_MOCK_ACK,      /* all is well: a reply subject gets JetStream's acknowledgement */
    NATS_MOCK_ANSWER,   /* it gets `answer` */
    NATS_MOCK_NOBODY,   /* it gets the status 503 */
    NATS_MOCK_SILENT,   /* nothing is answered, not even PING */
    NATS_MOCK_NO_ACK,   /* no reply subject gets anything; PING is answered */
    NATS_MOCK_HANG_UP,  /* the connection ends with the message */
    NATS_MOCK_TAKEN,    /* its id is taken; who asks for the stored message gets `answer` */
    NATS_MOCK_FORGET,   /* messages to `forbidden`, and who asks, get nothing; all others do */
    NATS_MOCK_FORBIDDEN /* messages to `forbidden` are refused */
};
static struct {
    pthread_mutex_t lock;
    enum nats_mock_way way;
    const char *answer, *forbidden;
    unsigned connections, messages, pings;
    char log[4096];  /* subjects, in order, with a space behind each */
    char last[2048]; /* the last message as it came, headers too */
    char late[256];  /* subject and sid for an answer to the last one that got none */
    char address[32];
    int fd, peer; /* peer: the last connection */
} nats_mock = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

struct nats_mock_peer {
    int fd;
    FILE *in;
    char sid[16]; /* of its subscription */
};

__attribute__((format(printf, 2, 3))) static void nats_mock_say(const struct nats_mock_peer *p,
                                                                const char *fmt, ...)
{
    char text[1024];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (send(p->fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
        return;
}

static void nats_mock_acknowledge(const struct nats_mock_peer *p, const char *reply,
                                  const char *text)
{
    nats_mock_say(p, "MSG %s %s %zu\r\n%s\r\n", reply, p->sid, strlen(text), text);
}

static const char *nats_mock_answer(const char *subject)
{
    if (nats_mock.way == NATS_MOCK_TAKEN && *subject != '$')
        return "{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}";
    return nats_mock.way == NATS_MOCK_ANSWER || nats_mock.way == NATS_MOCK_TAKEN
               ? nats_mock.answer
               : "{\"stream\":\"S\",\"seq\":1}";
}

static int nats_mock_is_mute(const char *subject)
{
    return nats_mock.way == NATS_MOCK_SILENT || nats_mock.way == NATS_MOCK_NO_ACK ||
           (nats_mock.way == NATS_MOCK_FORGET &&
            (*subject == '$' || !strcmp(subject, nats_mock.forbidden)));
}

/* -1: hang up. */
static int nats_mock_take(struct nats_mock_peer *p, const char *subject, const char *reply,
                          size_t len)
{
    static const char nobody[] = "NATS/1.0 503\r\n\r\n";
    char *body = malloc(len + 2);
    const int whole = body && fread(body, 1, len + 2, p->in) == len + 2;
    int rc = whole ? 0 : -1;

    pthread_mutex_lock(&nats_mock.lock);
    if (nats_mock.way == NATS_MOCK_HANG_UP)
        rc = -1;
    if (!rc && nats_mock.way == NATS_MOCK_FORBIDDEN && !strcmp(subject, nats_mock.forbidden)) {
        nats_mock_say(p, "-ERR 'Permissions Violation for Publish to \"%s\"'\r\n", subject);
    } else if (!rc) {
        const size_t at = strlen(nats_mock.log);

        nats_mock.messages++;
        snprintf(nats_mock.log + at, sizeof(nats_mock.log) - at, "%s ", subject);
        if (len >= sizeof(nats_mock.last))
            len = sizeof(nats_mock.last) - 1;
        memcpy(nats_mock.last, body, len);
        nats_mock.last[len] = '\0';
        if (*reply && (nats_mock.way == NATS_MOCK_NOBODY ||
                       (nats_mock.way == NATS_MOCK_TAKEN && *subject == '$' && !nats_mock.answer)))
            nats_mock_say(p, "HMSG %s %s %zu %zu\r\n%s\r\n", reply, p->sid, strlen(nobody),
                          strlen(nobody), nobody);
        else if (*reply && !nats_mock_is_mute(subject))
            nats_mock_acknowledge(p, reply, nats_mock_answer(subject));
        else
            snprintf(nats_mock.late, sizeof(nats_mock.late), "%s %s", reply, p->sid);
    }
    pthread_mutex_unlock(&nats_mock.lock);
    free(body);
    return rc;
}

/* PUB subject [reply] bytes; HPUB subject [reply] headers bytes */
static int nats_mock_publish(struct nats_mock_peer *p, char *line, int headers)
{
    char *words[5], *save = NULL;
    int n = 0;

    for (char *w = strtok_r(line, " ", &save); w && n < 5; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    if (n < 3 + headers)
        return -1;
    return nats_mock_take(p, words[1], n > 3 + headers ? words[2] : "",
                          strtoul(words[n - 1], NULL, 10));
}

static void nats_mock_ping(const struct nats_mock_peer *p)
{
    int silent;

    pthread_mutex_lock(&nats_mock.lock);
    silent = nats_mock.way == NATS_MOCK_SILENT && nats_mock.messages;
    nats_mock.pings++;
    pthread_mutex_unlock(&nats_mock.lock);
    if (!silent)
        nats_mock_say(p, "PONG\r\n");
}

static int nats_mock_line(struct nats_mock_peer *p, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (!strncmp(line, "PUB ", 4) || !strncmp(line, "HPUB ", 5))
        return nats_mock_publish(p, line, *line == 'H');
    if (!strncmp(line, "SUB ", 4))
        snprintf(p->sid, sizeof(p->sid), "%s", strrchr(line, ' ') + 1);
    if (!strcmp(line, "PING"))
        nats_mock_ping(p);
    return 0;
}

static void *nats_mock_serve(void *arg)
{
    struct nats_mock_peer p = {.fd = (int)(intptr_t)arg};
    const int one = 1;
    char line[4096];

    setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    p.in = fdopen(p.fd, "r");
    nats_mock_say(&p,
                  "INFO {\"server_id\":\"M\",\"version\":\"2.9.0\",\"proto\":1,\"headers\":true,"
                  "\"max_payload\":4096}\r\n");
    while (p.in && fgets(line, sizeof(line), p.in))
        if (nats_mock_line(&p, line))
            break;
    if (p.in)
        fclose(p.in);
    return NULL;
}

static void *nats_mock_accept(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(nats_mock.fd, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&nats_mock.lock);
        nats_mock.connections++;
        nats_mock.peer = fd;
        pthread_mutex_unlock(&nats_mock.lock);
        if (pthread_create(&thread, NULL, nats_mock_serve, (void *)(intptr_t)fd))
            abort();
        pthread_detach(thread);
    }
}

/* Its address; one for the whole process. */
static const char *nats_mock_address(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    pthread_t thread;

    if (nats_mock.fd >= 0)
        return nats_mock.address;
    nats_mock.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (nats_mock.fd < 0 || bind(nats_mock.fd, (struct sockaddr *)&at, sizeof(at)) ||
        listen(nats_mock.fd, 16) || getsockname(nats_mock.fd, (struct sockaddr *)&at, &len) ||
        pthread_create(&thread, NULL, nats_mock_accept, NULL))
        abort();
    pthread_detach(thread);
    snprintf(nats_mock.address, sizeof(nats_mock.address), "127.0.0.1:%d", ntohs(at.sin_port));
    return nats_mock.address;
}

static inline void nats_mock_set(enum nats_mock_way way, const char *text)
{
    pthread_mutex_lock(&nats_mock.lock);
    nats_mock.way = way;
    nats_mock.answer = nats_mock.forbidden = text;
    nats_mock.connections = nats_mock.messages = nats_mock.pings = 0;
    nats_mock.log[0] = nats_mock.last[0] = '\0';
    pthread_mutex_unlock(&nats_mock.lock);
}

/* Ends the last connection, which is there. */
static inline void nats_mock_cut(void)
{
    pthread_mutex_lock(&nats_mock.lock);
    shutdown(nats_mock.peer, SHUT_RDWR);
    pthread_mutex_unlock(&nats_mock.lock);
}

/* The answer to the last message that got none. */
static inline void nats_mock_say_late(const char *text)
{
    pthread_mutex_lock(&nats_mock.lock);
    nats_mock_say(&(struct nats_mock_peer){.fd = nats_mock.peer}, "MSG %s %zu\r\n%s\r\n",
                  nats_mock.late, strlen(text), text);
    pthread_mutex_unlock(&nats_mock.lock);
}

static inline void nats_mock_fail(void)
{
    nats_mock_set(NATS_MOCK_HANG_UP, NULL);
}

static inline void nats_mock_mend(void)
{
    nats_mock_set(NATS_MOCK_ACK, NULL);
}

static inline void nats_mock_conf(struct gw_publish_nats_conf *c)
{
    static const char *server[1];

    server[0] = nats_mock_address();
    *c = (struct gw_publish_nats_conf){
        .common = {.max_message_bytes = 1 << 20, .batch = {1000, 1 << 20, 0}},
        .servers = {.items = server, .n = 1},
        .subject = "t"};
}

#endif
