/* libcurl's multi interface on a loop: its sockets are watches, its timeout is a timer. A fetch
 * keeps its easy handle, with what never changes set once. Nothing of ours is called from inside a
 * call of libcurl but the callbacks below; `done` comes after, when libcurl has returned. */
#include "net/fetch.h"

#include "net/loop.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    BUFFER = 16384,
    CONNECT_MS = 10000,
    ANSWER_READ = 1 << 20, /* of a body, where the configuration says nothing */
    ANSWER_HEAD = 1 << 16, /* of all its heads and trailers */
    HEAD_MAX = 1 << 30,
};

struct gw_fetcher {
    struct gw_loop *loop;
    const struct gw_fetch_conf *conf;
    CURLM *multi;
    struct gw_timer timer;
};

struct sock {
    struct gw_watch watch;
    struct gw_fetcher *fetcher;
};

struct impl {
    CURL *easy;
    struct curl_slist *lines; /* an array: libcurl only follows it */
    size_t cap;
    char error[CURL_ERROR_SIZE];
    char refused[200]; /* the last address that was */
};

/* ---- what has ended ---- */

static void say_why(struct gw_fetch *f, CURLcode code)
{
    struct impl *im = f->impl;
    const char *said = im->error[0] ? im->error : curl_easy_strerror(code);
    char os[80];
    long no = 0;

    f->why[0] = 0;
    if (code == CURLE_OK)
        return;
    if (im->refused[0] && code == CURLE_COULDNT_CONNECT) {
        snprintf(f->why, sizeof(f->why), "%s", im->refused);
        return;
    }
    if (f->received_head > ANSWER_HEAD) {
        snprintf(f->why, sizeof(f->why), "the answer's headers are larger than %d bytes",
                 ANSWER_HEAD);
        return;
    }
    if (code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(im->easy, CURLINFO_OS_ERRNO, &no);
    if (no)
        snprintf(f->why, sizeof(f->why), "%s: %s", said, strerror_r((int)no, os, sizeof(os)));
    else
        snprintf(f->why, sizeof(f->why), "%s", said);
}

static void take_result(struct gw_fetch *f, CURLcode code)
{
    struct impl *im = f->impl;
    long status = 0;

    say_why(f, code);
    if (f->answered) /* libcurl is content with half a head */
        curl_easy_getinfo(im->easy, CURLINFO_RESPONSE_CODE, &status);
    f->status = (int)status;
    if (!f->status && !f->why[0])
        snprintf(f->why, sizeof(f->why), "the answer ends within its head");
}

static void finish_all(struct gw_fetcher *fr)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(fr->multi, &left))) {
        const CURLcode code = msg->data.result;
        CURL *easy = msg->easy_handle;
        struct gw_fetch *f = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&f);
        take_result(f, code);
        curl_multi_remove_handle(fr->multi, easy);
        f->running = 0;
        f->done(f);
    }
}

/* ---- sockets and time ---- */

static void on_ready(struct gw_watch *w, int what)
{
    struct gw_fetcher *fr = GW_CONTAINER(w, struct sock, watch)->fetcher;
    int running, bits = (what & GW_READABLE ? CURL_CSELECT_IN : 0) |
                        (what & GW_WRITABLE ? CURL_CSELECT_OUT : 0);

    curl_multi_socket_action(fr->multi, w->fd, bits, &running); /* may free w */
    finish_all(fr);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct gw_fetcher *fr = ctx;
    struct sock *s = known;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            gw_watch_fini(&s->watch);
        free(s);
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s)
            abort();
        s->fetcher = fr;
        gw_watch_init(&s->watch, fr->loop, fd, on_ready);
        curl_multi_assign(fr->multi, fd, s);
    }
    gw_watch_want(&s->watch, (what & CURL_POLL_IN ? GW_READABLE : 0) |
                                 (what & CURL_POLL_OUT ? GW_WRITABLE : 0));
    return 0;
}

static void on_time(struct gw_timer *t)
{
    struct gw_fetcher *fr = GW_CONTAINER(t, struct gw_fetcher, timer);
    int running;

    curl_multi_socket_action(fr->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_all(fr);
}

static int on_timeout(CURLM *multi, long ms, void *ctx)
{
    struct gw_fetcher *fr = ctx;

    (void)multi;
    if (ms < 0)
        gw_timer_cancel(&fr->timer);
    else
        gw_timer_set(&fr->timer, ms);
    return 0;
}

/* ---- the answer ---- */

/* The empty line ends a head; 1xx heads come before the answer's. */
static size_t on_head(char *line, size_t size, size_t n, void *ctx)
{
    struct gw_fetch *f = ctx;
    const size_t len = size * n;
    long status = 0;

    f->received_head += len;
    if (f->received_head > ANSWER_HEAD)
        return 0;
    if (len <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        curl_easy_getinfo(((struct impl *)f->impl)->easy, CURLINFO_RESPONSE_CODE, &status);
        f->answered = status >= 200;
    }
    return len;
}

static size_t most(const struct gw_fetch *f)
{
    const int64_t bytes = f->fetcher->conf->answer_bytes;

    return bytes ? (size_t)bytes : ANSWER_READ;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct gw_fetch *f = ctx;
    const size_t len = size * n, room = f->answer.max - f->answer.len;

    if (f->keep && f->keep(f, len < room ? len : room))
        return 0;
    gw_buf_put(&f->answer, p, len < room ? len : room);
    f->received += len;
    return f->received <= most(f) ? len : 0;
}

/* ---- where to ---- */

static curl_socket_t on_connect(void *ctx, curlsocktype what, struct curl_sockaddr *to)
{
    struct gw_fetch *f = ctx;
    struct impl *im = f->impl;
    const char *why = f->refuse ? f->refuse(f, &to->addr) : NULL;

    (void)what;
    if (!why)
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    snprintf(im->refused, sizeof(im->refused), "%s", why);
    return CURL_SOCKET_BAD;
}

/* ---- a fetcher ---- */

static void init_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        abort();
}

struct gw_fetcher *gw_fetcher_new(struct gw_loop *loop, const struct gw_fetch_conf *conf)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct gw_fetcher *fr = calloc(1, sizeof(*fr));

    pthread_once(&once, init_curl);
    if (!fr || !(fr->multi = curl_multi_init()))
        abort();
    fr->loop = loop;
    fr->conf = conf;
    gw_timer_init(&fr->timer, loop, on_time);
    curl_multi_setopt(fr->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fr->multi, CURLMOPT_SOCKETDATA, fr);
    curl_multi_setopt(fr->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(fr->multi, CURLMOPT_TIMERDATA, fr);
    curl_multi_setopt(fr->multi, CURLMOPT_PIPELINING,
                      conf->http2 ? CURLPIPE_NOTHING : CURLPIPE_MULTIPLEX);
    curl_multi_setopt(fr->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      conf->http2 ? (long)conf->connections : 0L);
    curl_multi_setopt(fr->multi, CURLMOPT_MAXCONNECTS, (long)conf->connections);
    return fr;
}

void gw_fetcher_free(struct gw_fetcher *fr)
{
    if (!fr)
        return;
    curl_multi_cleanup(fr->multi);
    gw_timer_fini(&fr->timer);
    free(fr);
}

/* ---- a fetch ---- */

static void set_tls(CURL *easy, const struct gw_fetch *f)
{
    const struct gw_fetch_conf *c = f->fetcher->conf;

    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)c->verify);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, c->verify ? 2L : 0L);
    if (c->ca) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca);
        if (!f->system_ca)
            curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key);
}

/* What holds for every request of a fetch. */
static void set_up(struct gw_fetch *f, struct impl *im)
{
    const int64_t timeout_ms = f->fetcher->conf->timeout_ms;
    CURL *easy = im->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, im->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver's thread */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "moongate/" GW_VERSION);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS));
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    /* Whether there is `refuse` may change from one start to the next. */
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_connect);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, f);
    /* libcurl 7.88 sends nothing more over a connection on which an answer was a head alone, which
     * is how gRPC refuses: the next request would fail. */
    if (f->fetcher->conf->http2)
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (f->fetcher->conf->direct)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    set_tls(easy, f);
}

void gw_fetch_init(struct gw_fetch *f, struct gw_fetcher *fetcher, size_t answer_max)
{
    *f = (struct gw_fetch){.fetcher = fetcher};
    gw_buf_init(&f->answer, answer_max, NULL);
    gw_buf_init(&f->head, HEAD_MAX, NULL);
    gw_fetch_headers_clear(f);
}

void gw_fetch_fini(struct gw_fetch *f)
{
    struct impl *im = f->impl;

    if (im) {
        gw_fetch_cancel(f);
        curl_easy_cleanup(im->easy);
        free(im->lines);
        free(im);
    }
    gw_buf_free(&f->answer);
    gw_buf_free(&f->head);
    *f = (struct gw_fetch){0};
}

/* libcurl's own are not wanted: it would wait for 100 Continue, and name a type nobody chose. */
void gw_fetch_headers_clear(struct gw_fetch *f)
{
    static const char none[] = "Expect:\0Content-Type:";

    gw_buf_clear(&f->head);
    gw_buf_put(&f->head, none, sizeof(none));
    f->lines = 2;
}

void gw_fetch_header(struct gw_fetch *f, struct gw_str name, struct gw_str value)
{
    gw_buf_put_str(&f->head, name);
    gw_buf_putc(&f->head, value.len ? ':' : ';'); /* libcurl's sign for an empty value */
    if (value.len) {
        gw_buf_putc(&f->head, ' ');
        gw_buf_put_str(&f->head, value);
    }
    gw_buf_putc(&f->head, 0);
    f->lines++;
}

/* Their places are known once the text does not grow any more. */
static void list_lines(struct gw_fetch *f, struct impl *im)
{
    char *at = f->head.p;

    assert(!f->head.failed);
    if (im->cap < f->lines) {
        im->cap = f->lines + 16;
        free(im->lines);
        im->lines = malloc(im->cap * sizeof(*im->lines));
        if (!im->lines)
            abort();
    }
    for (size_t i = 0; i < f->lines; i++) {
        im->lines[i] = (struct curl_slist){at, i + 1 < f->lines ? &im->lines[i + 1] : NULL};
        at += strlen(at) + 1;
    }
}

static struct impl *impl_of(struct gw_fetch *f)
{
    struct impl *im = f->impl;

    if (im)
        return im;
    im = calloc(1, sizeof(*im));
    if (!im || !(im->easy = curl_easy_init()))
        abort();
    set_up(f, im);
    return f->impl = im;
}

/* Only TLS tells at once whether a connection takes many requests. Without it, waiting for that
 * would be waiting for the first answer. */
static void set_protocol(CURL *easy, const struct gw_fetch *f)
{
    const int tls = !strncasecmp(f->url, "https:", 6), http2 = f->fetcher->conf->http2;

    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(tls     ? CURL_HTTP_VERSION_2TLS
                            : http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                    : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)(tls && !http2));
}

void gw_fetch_start(struct gw_fetch *f)
{
    struct impl *im = impl_of(f);
    CURL *easy = im->easy;

    assert(!f->running);
    gw_buf_clear(&f->answer);
    f->status = f->answered = 0;
    f->received = f->received_head = 0;
    f->why[0] = im->error[0] = im->refused[0] = 0;
    list_lines(f, im);
    set_protocol(easy, f);
    curl_easy_setopt(easy, CURLOPT_URL, f->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, im->lines);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    if (f->body.p) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, f->body.p);
    } else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (!strcmp(f->method, "HEAD")) /* or it waits for a body */
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, f->method);
    f->running = 1;
    if (curl_multi_add_handle(f->fetcher->multi, easy) != CURLM_OK)
        abort(); /* out of memory */
}

void gw_fetch_cancel(struct gw_fetch *f)
{
    if (!f->running)
        return;
    f->running = 0;
    curl_multi_remove_handle(f->fetcher->multi, ((struct impl *)f->impl)->easy);
}

struct gw_str gw_fetch_answer_header(const struct gw_fetch *f, const char *name)
{
    struct curl_header *h;

    if (!f->impl || curl_easy_header(((struct impl *)f->impl)->easy, name, 0, CURLH_HEADER, -1, &h))
        return (struct gw_str){0};
    return gw_str_of(h->value);
}

struct gw_str gw_fetch_answer_trailer(const struct gw_fetch *f, const char *name)
{
    struct curl_header *h;

    if (!f->impl || curl_easy_header(((struct impl *)f->impl)->easy, name, 0,
                                     CURLH_TRAILER | CURLH_HEADER, -1, &h))
        return (struct gw_str){0};
    return gw_str_of(h->value);
}

int gw_fetch_answer_next(const struct gw_fetch *f, void **at, struct gw_str *name,
                         struct gw_str *value)
{
    struct curl_header *h =
        curl_easy_nextheader(((struct impl *)f->impl)->easy, CURLH_HEADER, -1, *at);

    *at = h;
    if (!h)
        return 0;
    *name = gw_str_of(h->name);
    *value = gw_str_of(h->value);
    return 1;
}
