/* HTTP/2 of ours, server or client, against nghttp2's other side: the bytes say who does what, and
 * when. Whatever that was, once everybody goes on to the end every stream ends: what stands still
 * is a wakeup that was lost. */
#include "base/arena.h"
#include "net/codec.h"
#include "net/http2_call.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, MUCH = 1 << 20 };

static const unsigned char *in, *in_end;
static nghttp2_session *peer;
static uint32_t window; /* of each stream, towards the peer */
static int over;        /* the connection */

/* One stream, as the peer has it. */
struct theirs {
    int32_t id;
    size_t left, taken; /* bytes to send; bytes that came and were not given back */
    int open, unfinished, responded;
};
static struct theirs theirs[MOST];
static int n_theirs;

static unsigned next(void)
{
    return in < in_end ? *in++ : 0;
}

/* No more than some windows of it; of MUCH more than one. */
static size_t some(size_t of)
{
    static const size_t sizes[] = {0, 1, 2, 100, 16384, 16385, 70000, 70001};
    const size_t n = sizes[next() % 8], most = of * 40;

    if (of == MUCH && n > 70000)
        return MUCH + 100000;
    return n < most ? n : most;
}

static void check(int holds)
{
    if (!holds)
        abort();
}

static struct gw_str zeros(size_t n)
{
    static char bytes[70001];

    return (struct gw_str){bytes, n};
}

/* ---- the peer ---- */

/* NOLINTNEXTLINE(readability-function-size): nghttp2's signature */
static ssize_t read_theirs(nghttp2_session *session, int32_t id, uint8_t *out, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct theirs *t = source->ptr;

    (void)session;
    (void)id;
    (void)ctx;
    if (!t->left && t->unfinished)
        return NGHTTP2_ERR_DEFERRED;
    len = len < t->left ? len : t->left;
    memset(out, 0, len);
    t->left -= len;
    if (!t->left && !t->unfinished)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static struct theirs *of_id(int32_t id)
{
    for (int i = 0; i < n_theirs; i++)
        if (theirs[i].id == id)
            return &theirs[i];
    return NULL;
}

/* A request has begun, to a peer that is a server. */
static int on_begin(nghttp2_session *session, const nghttp2_frame *f, void *ctx)
{
    (void)session;
    (void)ctx;
    if (f->headers.cat == NGHTTP2_HCAT_REQUEST && n_theirs < MOST)
        theirs[n_theirs++] = (struct theirs){.id = f->hd.stream_id, .open = 1};
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *ctx)
{
    struct theirs *t = of_id(id);

    (void)flags;
    (void)data;
    (void)ctx;
    nghttp2_session_consume_connection(session, len);
    if (t)
        t->taken += len;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    struct theirs *t = of_id(id);

    (void)session;
    (void)code;
    (void)ctx;
    if (t)
        t->open = 0;
    return 0;
}

static void give_windows(void)
{
    for (int i = 0; i < n_theirs; i++) {
        nghttp2_session_consume_stream(peer, theirs[i].id, theirs[i].taken);
        theirs[i].taken = 0;
    }
}

static void open_peer(int server)
{
    static const uint32_t windows[] = {1, 2, 100, 65535, 1000000}, streams[] = {1, 3, 100};
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0},
                                         {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}};
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;

    settings[0].value = window = windows[next() % 5];
    settings[1].value = streams[next() % 3];
    if (nghttp2_session_callbacks_new(&cb) || nghttp2_option_new(&option))
        abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    check(!(server ? nghttp2_session_server_new2 : nghttp2_session_client_new2)(&peer, cb, NULL,
                                                                                option));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(peer, 0, settings, server ? 2 : 1);
    n_theirs = over = 0;
}

/* ---- our server ---- */

struct ours {
    struct gw_http_stream *stream;
    int responded, finished, holds;
};
static struct ours ours[MOST];
static int n_ours;
static struct gw_codec *codec;

static int server_head(struct gw_http_stream *s, void *ctx)
{
    struct ours *o = &ours[n_ours++];

    (void)ctx;
    check(n_ours <= MOST);
    *o = (struct ours){.stream = s, .holds = next() & 1};
    s->body_max = SIZE_MAX / 2;
    if (o->holds)
        gw_http_hold(s);
    return 0;
}

static void server_data(struct gw_http_stream *s, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < n_ours; i++)
        if (ours[i].stream == s && (!ours[i].holds || ours[i].finished))
            gw_buf_clear(&s->body);
}

static void server_gone(struct gw_http_stream *s, void *ctx)
{
    int i = 0;

    (void)ctx;
    while (ours[i].stream != s)
        check(++i < n_ours);
    ours[i] = ours[--n_ours];
}

static void take(struct ours *o)
{
    gw_http_took(o->stream, o->stream->body.len);
    gw_buf_clear(&o->stream->body);
}

static void respond(struct ours *o)
{
    if (!o->responded)
        gw_http_respond(o->stream, 200, NULL, 0);
    o->responded = 1;
}

static void finish(struct ours *o)
{
    static const struct gw_http_header ok[] = {{{"grpc-status", 11}, {"0", 1}}};

    respond(o);
    if (!o->finished)
        gw_http_finish(o->stream, ok, next() & 1);
    o->finished = 1;
    gw_buf_clear(&o->stream->body);
}

/* At most so many bytes each way; 0: all. Not 0 when something moved. */
static int carry_server(size_t most)
{
    const uint8_t *p;
    ssize_t n = over ? 0 : nghttp2_session_mem_send(peer, &p);
    size_t len;
    int moved = n > 0;

    for (size_t at = 0, m; n > 0 && at < (size_t)n && !over; at += m) {
        m = most && most < (size_t)n - at ? most : (size_t)n - at;
        over = codec->ops->feed(codec, (struct gw_str){(const char *)p + at, m});
    }
    codec->ops->fill(codec);
    len = most && most < codec->out.len ? most : codec->out.len;
    if (len > 0)
        check(nghttp2_session_mem_recv(peer, (uint8_t *)codec->out.p, len) == (ssize_t)len);
    gw_buf_drop(&codec->out, len);
    return moved || len > 0;
}

static void request(void)
{
    static char post[] = "POST", http[] = "http", a[] = "a", slash[] = "/";
    const nghttp2_nv head[] = {{(uint8_t *)":method", (uint8_t *)post, 7, 4, 0},
                               {(uint8_t *)":scheme", (uint8_t *)http, 7, 4, 0},
                               {(uint8_t *)":authority", (uint8_t *)a, 10, 1, 0},
                               {(uint8_t *)":path", (uint8_t *)slash, 5, 1, 0}};
    struct theirs *t = &theirs[n_theirs];
    const nghttp2_data_provider body = {.source.ptr = t, .read_callback = read_theirs};

    if (n_theirs == MOST)
        return;
    *t = (struct theirs){.open = 1, .left = some(MUCH), .unfinished = next() & 1};
    t->id = nghttp2_submit_request(peer, NULL, head, 4, &body, NULL);
    check(t->id > 0);
    n_theirs++;
}

static void server_step(void)
{
    struct theirs *t = n_theirs ? &theirs[next() % (unsigned)n_theirs] : NULL;
    struct ours *o = n_ours ? &ours[next() % (unsigned)n_ours] : NULL;
    const unsigned what = next() % 12;

    if (what == 0) {
        request();
    } else if (what == 1 && t) {
        t->unfinished = 0;
        nghttp2_session_resume_data(peer, t->id);
    } else if (what == 2 && t && t->open) {
        nghttp2_submit_rst_stream(peer, 0, t->id, NGHTTP2_CANCEL);
    } else if (what == 3 && o && !o->finished) {
        respond(o);
        gw_http_write(o->stream, zeros(some(window)));
    } else if (what == 4 && o) {
        finish(o);
    } else if (what == 5 && o) {
        gw_http_reset(o->stream, NGHTTP2_CANCEL);
        o->responded = o->finished = 1;
    } else if (what == 6 && o) {
        take(o);
    } else if (what == 7) {
        give_windows();
    } else if (what == 8 && next() < 8) {
        codec->ops->drain(codec);
    } else {
        (void)carry_server(some(100));
    }
}

static void settle_server(void)
{
    int moved;

    do {
        for (int i = 0; i < n_theirs; i++) {
            theirs[i].unfinished = 0;
            nghttp2_session_resume_data(peer, theirs[i].id);
        }
        give_windows();
        for (int i = 0; i < n_ours; i++) {
            if (!ours[i].finished) /* of one that was answered nobody takes the rest */
                take(&ours[i]);
            finish(&ours[i]);
        }
        moved = carry_server(0);
    } while (moved && !over);
}

static void serve(void)
{
    static const struct gw_http_handler handler = {
        .head = server_head, .data = server_data, .gone = server_gone};
    const struct gw_codec_conf conf = {
        .handler = &handler, .max_header_bytes = 1024, .max_body_bytes = 1000};

    n_ours = 0;
    open_peer(0);
    codec = gw_http2.open(&conf);
    while (in < in_end && !over)
        server_step();
    settle_server();
    check(!codec->flood);
    check(codec->ops->done(codec) || n_ours == 0);
    for (int i = 0; i < n_theirs; i++)
        check(!theirs[i].open || over);
    codec->ops->close(codec);
    check(n_ours == 0);
}

/* ---- our client ---- */

struct mine {
    struct gw_http_call call;
    int under_way;
};
static struct mine mine[MOST];
static int n_mine;
static struct gw_http2_calls *calls;
static struct gw_arena *mem;

static void on_data(struct gw_http_call *call)
{
    (void)call;
}

static void on_done(struct gw_http_call *call)
{
    struct mine *m = (struct mine *)call;

    check(m->under_way);
    m->under_way = 0;
}

static void hand_out(void)
{
    struct gw_http_call *call;

    while ((call = gw_http2_calls_news(calls)))
        call->data(call);
    while ((call = gw_http2_calls_ended(calls)))
        call->done(call);
}

static void start(void)
{
    struct mine *m = &mine[n_mine];
    const unsigned how = next();

    if (n_mine == MOST)
        return;
    n_mine++;
    *m = (struct mine){.under_way = 1,
                       .call = {.method = GW_STR("POST"),
                                .scheme = GW_STR("http"),
                                .authority = GW_STR("a"),
                                .path = GW_STR("/"),
                                .body = zeros(some(window)),
                                .more = how & 1,
                                .holds = how >> 1 & 1,
                                .max_answer = how & 4 ? 100000 : SIZE_MAX / 2,
                                .mem = mem,
                                .data = how >> 1 & 1 ? on_data : NULL,
                                .done = on_done}};
    gw_http2_calls_start(calls, &m->call);
}

static void took(struct mine *m)
{
    if (!m->call.holds)
        return;
    gw_http2_calls_took(calls, &m->call, m->call.answer.len);
    gw_buf_clear(&m->call.answer);
}

/* Not 0 when something moved. */
static int carry_client(size_t most)
{
    struct gw_buf out;
    struct gw_err err;
    const uint8_t *p;
    ssize_t n = 0;
    int moved;

    gw_buf_init(&out, 1 << 26, NULL);
    over |= gw_http2_calls_take(calls, &out, &err);
    moved = out.len > 0;
    if (out.len)
        check(nghttp2_session_mem_recv(peer, (uint8_t *)out.p, out.len) == (ssize_t)out.len);
    gw_buf_free(&out);
    if (!over)
        n = nghttp2_session_mem_send(peer, &p);
    for (size_t at = 0, m; n > 0 && at < (size_t)n && !over; at += m) {
        m = most && most < (size_t)n - at ? most : (size_t)n - at;
        over |= gw_http2_calls_feed(calls, (struct gw_str){(const char *)p + at, m}, &err);
    }
    hand_out();
    return moved || n > 0;
}

static void answer(struct theirs *t)
{
    static const nghttp2_nv head[] = {{(uint8_t *)":status", (uint8_t *)"200", 7, 3, 0}};
    const nghttp2_data_provider body = {.source.ptr = t, .read_callback = read_theirs};

    if (t->responded || !t->open)
        return;
    t->responded = 1;
    t->left = some(MUCH);
    t->unfinished = next() & 1;
    nghttp2_submit_response(peer, t->id, head, 1, &body);
}

static void go_on(struct theirs *t)
{
    t->unfinished = 0;
    nghttp2_session_resume_data(peer, t->id);
}

static void client_step(void)
{
    static const uint32_t codes[] = {NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM};
    struct theirs *t = n_theirs ? &theirs[next() % (unsigned)n_theirs] : NULL;
    struct mine *m = n_mine ? &mine[next() % (unsigned)n_mine] : NULL;
    const unsigned what = next() % 12;

    m = m && m->under_way ? m : NULL;
    if (what == 0) {
        start();
    } else if (what == 1 && m && m->call.more) {
        gw_http2_calls_write(calls, &m->call, zeros(some(window)));
    } else if (what == 2 && m) {
        gw_http2_calls_finish(calls, &m->call);
    } else if (what == 3 && m) {
        gw_http2_calls_cancel(calls, &m->call);
        m->under_way = 0;
    } else if (what == 4 && m) {
        took(m);
    } else if (what == 5 && t) {
        answer(t);
    } else if (what == 6 && t) {
        go_on(t);
    } else if (what == 7 && t && t->open) {
        nghttp2_submit_rst_stream(peer, 0, t->id, codes[next() % 3]);
    } else if (what == 8 && next() < 8) {
        nghttp2_submit_goaway(peer, 0, t ? t->id : 0, NGHTTP2_NO_ERROR, NULL, 0);
    } else if (what == 9) {
        give_windows();
    } else {
        (void)carry_client(some(100));
    }
}

static void settle_client(void)
{
    int moved;

    do {
        for (int i = 0; i < n_mine; i++) {
            if (!mine[i].under_way)
                continue;
            gw_http2_calls_finish(calls, &mine[i].call);
            took(&mine[i]);
        }
        give_windows();
        for (int i = 0; i < n_theirs; i++) {
            answer(&theirs[i]);
            go_on(&theirs[i]);
        }
        moved = carry_client(0);
    } while (moved && !over);
}

static void ask(void)
{
    struct gw_err err;

    mem = gw_arena_new();
    n_mine = 0;
    open_peer(1);
    calls = gw_http2_calls_new();
    while (in < in_end && !over)
        client_step();
    settle_client();
    if (over) {
        gw_err_set(&err, GW_ERR_RETRY, "over");
        gw_http2_calls_fail(calls, &err);
        hand_out();
    }
    for (int i = 0; i < n_mine; i++)
        check(!mine[i].under_way);
    gw_http2_calls_free(calls);
    gw_arena_free(mem);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 4 || size > 1000)
        return 0;
    in = data;
    in_end = data + size;
    if (next() & 1)
        serve();
    else
        ask();
    nghttp2_session_del(peer);
    return 0;
}
