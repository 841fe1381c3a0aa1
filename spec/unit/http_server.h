#ifndef SPEC_HTTP_SERVER_H
#define SPEC_HTTP_SERVER_H

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A plain HTTP/1.1 server in this process, a thread for each connection. `decide` gives the answer
 * to a request, whole, on a connection's thread; NULL: none, the connection stays silent. */
static const char *(*http_server_decide)(const char *head, const char *body);
static pthread_mutex_t http_server_lock = PTHREAD_MUTEX_INITIALIZER;
static int http_server_fd = -1, http_server_failing;
static char http_server_url[64];

#define HTTP_SERVER_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define HTTP_SERVER_NO "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"

/* A copy: the test may change what stands there while it is on its way. */
static char *http_server_answer(const char *head, const char *body)
{
    const char *answer;
    char *copy;

    pthread_mutex_lock(&http_server_lock);
    answer = http_server_decide    ? http_server_decide(head, body)
             : http_server_failing ? HTTP_SERVER_NO
                                   : HTTP_SERVER_OK;
    copy = answer ? strdup(answer) : NULL;
    pthread_mutex_unlock(&http_server_lock);
    return copy;
}

/* Reads until there are so many bytes, or (0) a whole head. -1: the peer is gone. */
static ssize_t http_server_read(int fd, char *p, size_t len, size_t want)
{
    enum { MAX = 1 << 16 };

    for (;;) {
        ssize_t n;

        p[len] = 0;
        if (want ? len >= want : strstr(p, "\r\n\r\n") != NULL)
            return (ssize_t)len;
        n = len < MAX ? read(fd, p + len, MAX - len) : 0;
        if (n <= 0)
            return -1;
        len += (size_t)n;
    }
}

static void *http_server_serve(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    char *p = malloc((1 << 16) + 1);
    ssize_t len = 0;

    while (p && (len = http_server_read(fd, p, (size_t)len, 0)) > 0) {
        char *body = strstr(p, "\r\n\r\n") + 4, *said = strcasestr(p, "\r\ncontent-length:");
        const size_t head = (size_t)(body - p),
                     n = said && said < body ? strtoul(said + 17, NULL, 10) : 0;
        char *answer;
        int wrong;

        body[-1] = 0;
        len = http_server_read(fd, p, (size_t)len, head + n);
        answer = len < 0 ? NULL : http_server_answer(p, body);
        wrong = !answer || write(fd, answer, strlen(answer)) < 0;
        free(answer);
        if (wrong)
            break;
        len = 0;
    }
    if (len < 0)
        close(fd);
    free(p);
    return NULL;
}

static void *http_server_accept(void *arg)
{
    pthread_attr_t alone;
    int fd;

    (void)arg;
    pthread_attr_init(&alone);
    pthread_attr_setdetachstate(&alone, PTHREAD_CREATE_DETACHED);
    while ((fd = accept(http_server_fd, NULL, NULL)) >= 0) {
        pthread_t t;

        CHECK(!pthread_create(&t, &alone, http_server_serve, (void *)(intptr_t)fd));
    }
    pthread_attr_destroy(&alone);
    return NULL;
}

static inline const char *http_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    pthread_t t;

    if (http_server_fd >= 0)
        return http_server_url;
    setenv("no_proxy", "127.0.0.1", 1);
    http_server_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(http_server_fd >= 0 && !bind(http_server_fd, (struct sockaddr *)&at, size));
    CHECK(!listen(http_server_fd, 64) &&
          !getsockname(http_server_fd, (struct sockaddr *)&at, &size));
    snprintf(http_server_url, sizeof(http_server_url), "http://127.0.0.1:%d/hook",
             ntohs(at.sin_port));
    CHECK(!pthread_create(&t, NULL, http_server_accept, NULL));
    pthread_detach(t);
    return http_server_url;
}

static inline void http_server_fail(void)
{
    pthread_mutex_lock(&http_server_lock);
    http_server_failing = 1;
    pthread_mutex_unlock(&http_server_lock);
}

static inline void http_server_mend(void)
{
    pthread_mutex_lock(&http_server_lock);
    http_server_failing = 0;
    pthread_mutex_unlock(&http_server_lock);
}

#endif
