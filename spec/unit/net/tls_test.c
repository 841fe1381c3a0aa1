/* Both roles against each other over a socketpair, turned by hand. Other people's TLS is asked in
 * spec/integration/test_ingest_tls.py. */
#include "net/tls.h"

#include "base/err.h"
#include "net/loop.h"
#include "tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const both[] = {"h2", "http/1.1", NULL}, *const h1[] = {"http/1.1", NULL},
                         *const odd[] = {"smtp", NULL};
static struct gw_err err;

struct pair {
    int fd[2];
    struct gw_tls *client, *server;
    struct gw_err client_err, server_err;
    ssize_t client_rc, server_rc;
};

static struct gw_tls_context *server_of(const char *cert, const char *key, const char *ca)
{
    const struct gw_tls_files f = {.cert = cert, .key = key, .ca = ca};
    struct gw_tls_context *c = gw_tls_server_context(&f, both, &err);

    CHECK(c);
    return c;
}

static struct gw_tls_context *client_of(const struct gw_tls_files *f, const char *const *alpn)
{
    struct gw_tls_context *c = gw_tls_client_context(f, alpn, &err);

    CHECK(c);
    return c;
}

/* Takes both contexts. */
static struct pair join(struct gw_tls_context *client, struct gw_tls_context *server,
                        const char *host)
{
    struct pair p = {0};

    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.fd));
    p.client = gw_tls_client(client, p.fd[0], host);
    p.server = gw_tls_server(server, p.fd[1]);
    gw_tls_context_drop(client);
    gw_tls_context_drop(server);
    return p;
}

/* Until both have shaken hands and heard all that there is, or one gives up. */
static void shake(struct pair *p)
{
    char byte;

    for (int i = 0; i < 10; i++) {
        p->client_rc = gw_tls_read(p->client, &byte, 1, &p->client_err);
        p->server_rc = gw_tls_read(p->server, &byte, 1, &p->server_err);
    }
}

static void part(struct pair *p)
{
    gw_tls_free(p->client);
    gw_tls_free(p->server);
    close(p->fd[0]);
    close(p->fd[1]);
}

static const struct gw_tls_files trusting = {.ca = "ca.pem"};

static struct pair plain_pair(void)
{
    struct pair p =
        join(client_of(&trusting, both), server_of("server.pem", "server.key", NULL), "localhost");

    shake(&p);
    CHECK(gw_tls_shaken(p.client) && gw_tls_shaken(p.server));
    return p;
}

static size_t pass(struct gw_tls *from, struct gw_tls *to, const char *bytes, size_t n)
{
    static char got[1 << 20];
    size_t sent = 0, heard = 0;

    while (heard < n) {
        ssize_t rc = gw_tls_write(from, bytes + sent, n - sent, &err);

        CHECK(rc >= 0 || (rc == GW_TLS_AGAIN && gw_tls_wants(from) == GW_WRITABLE));
        sent += rc > 0 ? (size_t)rc : 0;
        while ((rc = gw_tls_read(to, got + heard, sizeof(got) - heard, &err)) > 0)
            heard += (size_t)rc;
        CHECK(rc == GW_TLS_AGAIN);
    }
    CHECK(!memcmp(got, bytes, n));
    return sent;
}

TEST(test_tls_passes_bytes_both_ways)
{
    struct pair p;
    static char many[900000];

    tls_files();
    p = plain_pair();
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = (char)(i * 7 / 3);
    CHECK(!strcmp(gw_tls_alpn(p.client), "h2") && !strcmp(gw_tls_alpn(p.server), "h2"));
    CHECK(pass(p.client, p.server, "question", 8) == 8);
    CHECK(pass(p.server, p.client, many, sizeof(many)) == sizeof(many));
    CHECK(gw_tls_wants(p.client) == GW_READABLE);
    part(&p);
}

/* A receiver that rests: a write that was not told as done goes on where it was. */
TEST(test_tls_write_goes_on_when_the_socket_takes_more)
{
    struct pair p;
    static char many[200000], got[200000];
    ssize_t rc;
    size_t sent = 0, heard = 0;
    int blocked = 0, size = 4096;

    tls_files();
    p = plain_pair();
    memset(many, 'x', sizeof(many));
    many[199999] = 'y';
    CHECK(!setsockopt(p.fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
    while (sent < sizeof(many)) {
        char *const moved = malloc(sizeof(many) - sent);

        memcpy(moved, many + sent, sizeof(many) - sent);
        rc = gw_tls_write(p.client, moved, sizeof(many) - sent, &err);
        free(moved);
        if (rc > 0) {
            sent += (size_t)rc;
            continue;
        }
        CHECK(rc == GW_TLS_AGAIN && gw_tls_wants(p.client) == GW_WRITABLE);
        blocked++;
        while ((rc = gw_tls_read(p.server, got + heard, sizeof(got) - heard, &err)) > 0)
            heard += (size_t)rc;
    }
    CHECK(gw_tls_write(p.client, NULL, 0, &err) == 0);
    while ((rc = gw_tls_read(p.server, got + heard, sizeof(got) - heard, &err)) > 0)
        heard += (size_t)rc;
    CHECK(blocked > 2 && heard == sizeof(many) && !memcmp(got, many, heard));
    part(&p);
}

/* What was received with other bytes is told of, for the socket will not. */
TEST(test_tls_pending_tells_of_bytes_received)
{
    struct pair p;
    char byte;

    tls_files();
    p = plain_pair();
    CHECK(gw_tls_write(p.client, "ab", 2, &err) == 2 && gw_tls_write(p.client, "c", 1, &err) == 1);
    CHECK(!gw_tls_pending(p.server));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == 1 && byte == 'a' && gw_tls_pending(p.server));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == 1 && byte == 'b' && gw_tls_pending(p.server));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == 1 && byte == 'c' && !gw_tls_pending(p.server));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == GW_TLS_AGAIN && !gw_tls_pending(p.server));
    part(&p);
}

/* A client may begin with a write: it is told to wait until the handshake is done. */
TEST(test_tls_client_may_begin_with_a_write)
{
    struct pair p;
    char got[8];

    tls_files();
    p = join(client_of(&trusting, both), server_of("server.pem", "server.key", NULL), "127.0.0.1");
    CHECK(gw_tls_write(p.client, "first", 5, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_wants(p.client) == GW_READABLE);
    CHECK(gw_tls_write(p.server, "too early", 9, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.server, got, sizeof(got), &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_write(p.client, "first", 5, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.client, got, sizeof(got), &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_write(p.client, "first", 5, &err) == 5);
    CHECK(gw_tls_read(p.server, got, sizeof(got), &err) == 5 && !memcmp(got, "first", 5));
    part(&p);
}

TEST(test_tls_goodbye_is_told_from_an_end)
{
    struct pair p;
    char byte;

    tls_files();
    p = plain_pair();
    CHECK(!gw_tls_goodbye(p.client) && !shutdown(p.fd[0], SHUT_WR));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == 0);
    CHECK(gw_tls_write(p.server, "answer", 6, &err) == 6); /* the other half lives on */
    CHECK(gw_tls_read(p.client, &byte, 1, &err) == 1 && byte == 'a');
    part(&p);
    p = plain_pair();
    CHECK(!shutdown(p.fd[0], SHUT_WR));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == -1 && strstr(err.msg, "without goodbye"));
    CHECK(gw_tls_read(p.server, &byte, 1, &err) == -1 && strstr(err.msg, "is over"));
    part(&p);
}

/* No SIGPIPE, whoever has gone. */
TEST(test_tls_write_to_a_closed_socket_is_an_error)
{
    struct pair p;
    ssize_t rc = 0;

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    tls_files();
    p = plain_pair();
    close(p.fd[1]);
    p.fd[1] = -1;
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = gw_tls_write(p.client, "hello", 5, &err);
    CHECK(rc == -1 && strstr(err.msg, "Broken pipe"));
    part(&p);
}

static void refused(const struct gw_tls_files *client, const char *host, const char *why)
{
    struct pair p =
        join(client_of(client, both), server_of("server.pem", "server.key", NULL), host);

    shake(&p);
    CHECK(p.client_rc == -1 && !gw_tls_shaken(p.server) && p.server_rc == -1);
    p.client_rc = gw_tls_write(p.client, "x", 1, &err);
    CHECK(p.client_rc == -1);
    part(&p);
    p = join(client_of(client, both), server_of("server.pem", "server.key", NULL), host);
    CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.server, &(char){0}, 1, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == -1 && strstr(err.msg, why));
    part(&p);
}

TEST(test_tls_client_looks_at_certificate_and_name)
{
    const struct gw_tls_files foreign = {.ca = "stranger.pem"}, any = {.no_verify = 1};
    struct pair p;

    tls_files();
    refused(&trusting, "example.org", "hostname mismatch");
    refused(&trusting, "127.0.0.2", "IP address mismatch");
    refused(&foreign, "localhost", "unable to get local issuer certificate");
    p = join(client_of(&any, both), server_of("server.pem", "server.key", NULL), "example.org");
    shake(&p);
    CHECK(gw_tls_shaken(p.server) && gw_tls_shaken(p.client));
    part(&p);
    p = join(client_of(&trusting, both), server_of("server.pem", "server.key", NULL), "[::1]");
    shake(&p);
    CHECK(gw_tls_shaken(p.server) && gw_tls_shaken(p.client));
    part(&p);
    p = join(client_of(&trusting, both), server_of("past.pem", "past.key", NULL), "localhost");
    CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.server, &(char){0}, 1, &err) == GW_TLS_AGAIN);
    CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == -1 && strstr(err.msg, "has expired"));
    part(&p);
}

TEST(test_tls_server_asks_for_a_clients_certificate)
{
    const struct gw_tls_files known = {.ca = "ca.pem", .cert = "client.pem", .key = "client.key"},
                              unknown = {
                                  .ca = "ca.pem", .cert = "stranger.pem", .key = "stranger.key"};
    const struct gw_tls_files *const tried[] = {&trusting, &unknown, &known};
    const char *const said[] = {"did not return a certificate", "not trusted", ""};

    tls_files();
    for (int i = 0; i < 3; i++) {
        struct pair p = join(client_of(tried[i], both),
                             server_of("server.pem", "server.key", "ca.pem"), "localhost");

        CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == GW_TLS_AGAIN);
        CHECK(gw_tls_read(p.server, &(char){0}, 1, &err) == GW_TLS_AGAIN);
        CHECK(gw_tls_read(p.client, &(char){0}, 1, &err) == GW_TLS_AGAIN);
        CHECK(gw_tls_read(p.server, &(char){0}, 1, &err) == (i == 2 ? GW_TLS_AGAIN : -1));
        CHECK(i == 2 || strstr(err.msg, said[i]));
        CHECK(gw_tls_shaken(p.server) == (i == 2));
        part(&p);
    }
}

TEST(test_tls_alpn_is_the_first_of_the_servers_names)
{
    struct pair p;

    tls_files();
    p = join(client_of(&trusting, h1), server_of("server.pem", "server.key", NULL), "localhost");
    shake(&p);
    CHECK(!strcmp(gw_tls_alpn(p.server), "http/1.1") && !strcmp(gw_tls_alpn(p.client), "http/1.1"));
    part(&p);
    p = join(client_of(&trusting, NULL), server_of("server.pem", "server.key", NULL), "localhost");
    shake(&p);
    CHECK(gw_tls_shaken(p.server) && !*gw_tls_alpn(p.server));
    part(&p);
    p = join(client_of(&trusting, odd), server_of("server.pem", "server.key", NULL), "localhost");
    shake(&p);
    CHECK(!gw_tls_shaken(p.server) && p.server_rc == -1);
    part(&p);
}

static void no_server(const char *cert, const char *key, const char *ca, const char *why)
{
    const struct gw_tls_files f = {.cert = cert, .key = key, .ca = ca};

    CHECK(!gw_tls_server_context(&f, both, &err));
    CHECK(strstr(err.msg, why));
}

/* key NULL: they will do. */
static void problem_at(const char *key,
                       const char *(*fn)(const struct gw_tls_files *f, struct gw_err *err),
                       struct gw_tls_files f, const char *why)
{
    const char *got = fn(&f, &err);

    CHECK(key ? got && !strcmp(got, key) && !strcmp(err.msg, why) : !got);
}

TEST(test_tls_problem_of_a_file_is_told_with_its_key)
{
    const struct tls_authority one = tls_certificate("one", NULL, NULL, 3);
    FILE *f = fopen("locked.key", "w");

    tls_files();
    CHECK(f && PEM_write_PrivateKey(f, one.key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)"pw") &&
          !fclose(f));
    problem_at(NULL, gw_tls_server_problem,
               (struct gw_tls_files){"ca.pem", "server.pem", "server.key", 0}, "");
    problem_at("cert", gw_tls_server_problem,
               (struct gw_tls_files){NULL, "none.pem", "server.key", 0},
               "none.pem: No such file or directory");
    problem_at("key", gw_tls_server_problem,
               (struct gw_tls_files){NULL, "server.pem", "client.key", 0},
               "client.key: not the key of server.pem");
    problem_at("key", gw_tls_server_problem,
               (struct gw_tls_files){NULL, "one.pem", "locked.key", 0},
               "locked.key: it has a passphrase");
    problem_at("client_ca", gw_tls_server_problem,
               (struct gw_tls_files){"none.pem", "server.pem", "server.key", 0},
               "none.pem: No such file or directory");
    problem_at("ca", gw_tls_client_problem, (struct gw_tls_files){"client.key", NULL, NULL, 0},
               "client.key: no certificate or crl found");
    problem_at("key", gw_tls_client_problem,
               (struct gw_tls_files){NULL, "client.pem", "server.key", 0},
               "server.key: not the key of client.pem");
    /* what librdkafka may do with them */
    problem_at(NULL, gw_tls_client_problem, (struct gw_tls_files){".", "one.pem", "locked.key", 0},
               "");
    problem_at(NULL, gw_tls_client_problem, (struct gw_tls_files){NULL, NULL, NULL, 0}, "");
    /* what nobody writes to is not waited for */
    CHECK(!mkfifo("pipe", 0600));
    problem_at("cert", gw_tls_client_problem, (struct gw_tls_files){NULL, "pipe", "server.key", 0},
               "pipe: not a regular file");
    problem_at("key", gw_tls_client_problem, (struct gw_tls_files){NULL, "server.pem", "pipe", 0},
               "pipe: not a regular file");
    tls_authority_free(one);
}

TEST(test_tls_files_that_will_not_do_are_named)
{
    const struct gw_tls_files no_ca = {.ca = "none.pem"}, half = {.cert = "client.pem"};
    const struct tls_authority one = tls_certificate("one", NULL, NULL, 3);
    FILE *f = fopen("locked.key", "w");

    tls_files();
    CHECK(f && PEM_write_PrivateKey(f, one.key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)"pw") &&
          !fclose(f));
    CHECK((f = fopen("text.pem", "w")) && fputs("hello\n", f) >= 0 && !fclose(f));
    no_server("none.pem", "server.key", NULL, "certificate none.pem: No such file");
    no_server("server.pem", "none.key", NULL, "key none.key: No such file");
    no_server("text.pem", "server.key", NULL, "certificate text.pem: nothing of that kind");
    no_server("server.pem", "text.pem", NULL, "key text.pem: nothing of that kind");
    no_server("server.pem", "client.key", NULL, "key client.key: not the key of server.pem");
    no_server("one.pem", "locked.key", NULL, "key locked.key: it has a passphrase");
    no_server("server.pem", "server.key", "text.pem", "client_ca text.pem: no certificate");
    no_server("server.pem", NULL, NULL, "go together");
    CHECK(!gw_tls_client_context(&no_ca, NULL, &err) && strstr(err.msg, "ca none.pem: No such"));
    CHECK(!gw_tls_client_context(&half, NULL, &err) && strstr(err.msg, "go together"));
    tls_authority_free(one);
}

/* Connections keep the certificate that they were opened with. */
TEST(test_tls_context_may_go_before_its_connections)
{
    struct pair p;

    tls_files();
    p = plain_pair(); /* has dropped both */
    tls_files();
    CHECK(pass(p.client, p.server, "still here", 10) == 10);
    part(&p);
    p = plain_pair();
    part(&p);
}

/* Bytes of somebody who speaks no TLS. */
TEST(test_tls_server_refuses_what_is_no_tls)
{
    struct gw_tls_context *c;
    char got[100];

    tls_files();
    for (int i = 0; i < 2; i++) {
        const char *const text = i ? "\x16\x03\x01\xff\xff\x01junk" : "GET / HTTP/1.1\r\n\r\n";
        int fd[2];
        struct gw_tls *t;

        CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
        c = server_of("server.pem", "server.key", NULL);
        t = gw_tls_server(c, fd[1]);
        gw_tls_context_drop(c);
        CHECK(send(fd[0], text, strlen(text), 0) > 0);
        CHECK(gw_tls_read(t, got, sizeof(got), &err) == -1 && !strncmp(err.msg, "TLS: ", 5));
        CHECK(!gw_tls_shaken(t));
        gw_tls_free(t);
        close(fd[0]);
        close(fd[1]);
    }
}
