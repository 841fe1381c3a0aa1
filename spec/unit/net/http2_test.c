/* The HTTP/2 codec against nghttp2's client side, and by bytes of our own. */
#include "codec_test.h"

#include <nghttp2/nghttp2.h>

enum { MAX_ID = 5000, WHOLE = 1 << 20 };

struct call {
    char status[4], grpc_status[4], length[12];
    char body[16];
    size_t body_len;
    const char *request;
    size_t request_len;
    int closed, unfinished; /* unfinished: the request has no end */
    uint32_t code;
};

static struct room room;
static struct gw_codec *codec;
static nghttp2_session *client;
static struct call calls[MAX_ID];
static int resets, goaways, last_code, fed;
static int keeps_windows; /* the client opens them when the test says so */

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *ctx)
{
    struct call *c = &calls[f->hd.stream_id];
    struct gw_str n = {(const char *)name, name_len};
    int len = (int)value_len;

    (void)session;
    (void)flags;
    (void)ctx;
    if (gw_str_is(n, ":status"))
        snprintf(c->status, sizeof(c->status), "%.*s", len, (const char *)value);
    else if (gw_str_is(n, "grpc-status"))
        snprintf(c->grpc_status, sizeof(c->grpc_status), "%.*s", len, (const char *)value);
    else if (gw_str_is(n, "content-length"))
        snprintf(c->length, sizeof(c->length), "%.*s", len, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *ctx)
{
    struct call *c = &calls[id];

    (void)session;
    (void)flags;
    (void)ctx;
    for (size_t i = 0; i < len; i++, c->body_len++)
        if (c->body_len < sizeof(c->body))
            c->body[c->body_len] = (char)data[i];
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
    (void)session;
    (void)ctx;
    calls[id].closed++;
    calls[id].code = code;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *ctx)
{
    (void)session;
    (void)ctx;
    resets += f->hd.type == NGHTTP2_RST_STREAM;
    if (f->hd.type == NGHTTP2_GOAWAY) {
        goaways++;
        last_code = (int)f->goaway.error_code;
    }
    return 0;
}

static void start(enum reply reply)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;

    room.reply = reply;
    codec = room_open(&room, &gw_http2);
    CHECK(!nghttp2_session_callbacks_new(&cb));
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    CHECK(!nghttp2_option_new(&option));
    nghttp2_option_set_no_auto_window_update(option, keeps_windows);
    CHECK(!nghttp2_session_client_new2(&client, cb, NULL, option));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(client, 0, NULL, 0);
}

static void stop(void)
{
    nghttp2_session_del(client);
    room_close(&room, codec);
}

static ssize_t read_request(nghttp2_session *session, int32_t id, uint8_t *out, size_t len,
                            uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct call *c = source->ptr;

    (void)session;
    (void)id;
    (void)ctx;
    if (c->request_len == 0 && c->unfinished)
        return NGHTTP2_ERR_DEFERRED;
    len = len < c->request_len ? len : c->request_len;
    memcpy(out, c->request, len);
    c->request += len;
    c->request_len -= len;
    if (c->request_len == 0 && !c->unfinished)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(size_t)name, (uint8_t *)(size_t)value, strlen(name),
                        strlen(value), 0};
}

static struct call *call(const char *method, const char *body, size_t len, int unfinished)
{
    const nghttp2_nv head[] = {nv(":method", method), nv(":scheme", "http"), nv(":authority", "a"),
                               nv(":path", "/x"), nv("x-b", "1")};
    struct call *c = &calls[nghttp2_session_get_next_stream_id(client)];
    const nghttp2_data_provider data = {.source.ptr = c, .read_callback = read_request};
    int32_t id;

    *c = (struct call){.request = body, .request_len = len, .unfinished = unfinished};
    id = nghttp2_submit_request(client, NULL, head, 5, body ? &data : NULL, NULL);
    CHECK(id == c - calls);
    return c;
}

/* Carries bytes both ways, to the server in pieces of `step`, until both are silent. */
static void pump(size_t step)
{
    const uint8_t *p;
    ssize_t n;

    for (int quiet = 0; !quiet;) {
        quiet = 1;
        while (!fed && (n = nghttp2_session_mem_send(client, &p)) > 0) {
            quiet = 0;
            for (size_t at = 0, m; at < (size_t)n && !fed; at += m) {
                m = (size_t)n - at < step ? (size_t)n - at : step;
                fed = codec->ops->feed(codec, (struct gw_str){(const char *)p + at, m});
            }
        }
        codec->ops->fill(codec);
        if (codec->out.len > 0) {
            quiet = 0;
            n = nghttp2_session_mem_recv(client, (uint8_t *)codec->out.p, codec->out.len);
            CHECK(n == (ssize_t)codec->out.len);
            gw_buf_clear(&codec->out);
        }
    }
}

static int ended_well(const struct call *c, const char *status)
{
    return c->closed == 1 && c->code == NGHTTP2_NO_ERROR && !strcmp(c->status, status);
}

TEST(test_http2_answers_fed_one_byte_at_a_time)
{
    struct call *a, *b;

    start(AT_END);
    a = call("POST", "hello", 5, 0);
    b = call("GET", NULL, 0, 0);
    pump(1);
    CHECK(has(&room.seen, "POST /x[hello]; ") && has(&room.seen, "GET /x[]; "));
    CHECK(ended_well(a, "200") && a->body_len == 2 && !strcmp(a->length, "2"));
    CHECK(ended_well(b, "200") && !memcmp(b->body, "hi", 2));
    stop();
}

TEST(test_http2_answers_many_streams_in_any_order)
{
    struct call *all[200];

    start(LATER);
    for (int i = 0; i < 200; i++)
        all[i] = call("POST", "x", 1, 0);
    pump(WHOLE);
    CHECK(room.n_open == 200);
    while (room.n_open) {
        room_answer(&room, room.open[room.n_open / 2], 200);
        codec->ops->fill(codec);
    }
    pump(WHOLE);
    for (int i = 0; i < 200; i++)
        CHECK(ended_well(all[i], "200"));
    stop();
}

TEST(test_http2_sends_trailers_behind_the_body_or_alone)
{
    const struct gw_http_header only[] = {{GW_STR("grpc-status"), GW_STR("12")}};
    struct call *c;

    start(TRAILERS);
    c = call("POST", "x", 1, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && !strcmp(c->grpc_status, "0") && c->body_len == 6);
    CHECK(!c->length[0]);
    room.reply = LATER;
    c = call("POST", "x", 1, 0);
    pump(WHOLE);
    gw_http_respond(room.open[0], 200, only, 1);
    gw_http_finish(room.open[0], NULL, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && !strcmp(c->grpc_status, "12") && c->body_len == 0);
    stop();
}

TEST(test_http2_sends_forty_headers_and_trailers)
{
    struct gw_http_header many[40];
    struct call *c;

    start(LATER);
    for (int i = 0; i < 39; i++)
        many[i] = (struct gw_http_header){GW_STR("x-many"), GW_STR("1")};
    many[39] = (struct gw_http_header){GW_STR("grpc-status"), GW_STR("7")};
    c = call("POST", "x", 1, 0);
    pump(WHOLE);
    gw_http_respond(room.open[0], 200, many, 39);
    gw_http_write(room.open[0], GW_STR("a"));
    gw_http_finish(room.open[0], many, 40);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && !strcmp(c->grpc_status, "7"));
    stop();
}

TEST(test_http2_streams_as_the_handler_writes)
{
    struct call *c;

    start(LATER);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    gw_http_respond(room.open[0], 200, NULL, 0);
    pump(WHOLE);
    CHECK(!strcmp(c->status, "200") && codec->ops->wait(codec) == GW_WAIT_ANSWER);
    gw_http_write(room.open[0], GW_STR("ab"));
    pump(WHOLE);
    CHECK(c->body_len == 2 && !c->closed);
    gw_http_write(room.open[0], GW_STR("c"));
    gw_http_finish(room.open[0], NULL, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && c->body_len == 3);
    stop();
}

TEST(test_http2_keeps_to_the_window_of_the_peer)
{
    struct call *c;

    room.answer_bytes = 3000000;
    start(AT_END);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && c->body_len == 3000000 && !strcmp(c->length, "3000000"));
    stop();
}

TEST(test_http2_waits_for_the_peer_when_its_window_is_shut)
{
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    struct call *c;

    start(AT_END);
    nghttp2_submit_settings(client, 0, &shut, 1);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    CHECK(!strcmp(c->status, "200") && !c->closed);
    CHECK(codec->ops->wait(codec) == GW_WAIT_BODY);
    stop();
}

TEST(test_http2_head_has_no_body_in_its_answer)
{
    struct call *c;

    start(AT_END);
    c = call("HEAD", NULL, 0, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && c->body_len == 0 && !strcmp(c->length, "2"));
    stop();
}

TEST(test_http2_a_body_too_large_ends_only_its_stream)
{
    static const char large[100000];
    struct call *before, *c, *after;

    start(LATER);
    before = call("POST", "a", 1, 0);
    c = call("POST", large, sizeof(large), 0);
    after = call("POST", "b", 1, 0);
    pump(WHOLE);
    CHECK(has(&room.seen, "too large; ") && ended_well(c, "413") && !resets);
    CHECK(room.n_open == 2);
    while (room.n_open) {
        room_answer(&room, room.open[0], 200);
        codec->ops->fill(codec);
    }
    pump(WHOLE);
    CHECK(ended_well(before, "200") && ended_well(after, "200"));
    stop();
}

TEST(test_http2_an_answer_at_the_head_stops_a_long_request)
{
    static const char large[9 << 20];
    struct call *c;

    start(AT_HEAD);
    c = call("POST", large, sizeof(large), 1);
    pump(WHOLE);
    CHECK(ended_well(c, "404") && room.gones == 1 && room.seen.len == 0);
    stop();
}

/* curl forgets the answer when a reset comes with it. */
TEST(test_http2_a_short_request_is_read_over_after_its_answer)
{
    struct call *c;

    start(AT_HEAD);
    c = call("POST", "a", 1, 1);
    pump(WHOLE);
    CHECK(!strcmp(c->status, "404") && !c->closed && room.gones == 0);
    c->unfinished = 0;
    CHECK(!nghttp2_session_resume_data(client, (int32_t)(c - calls)));
    pump(WHOLE);
    CHECK(ended_well(c, "404") && !resets && room.gones == 1 && room.seen.len == 0);
    c = call("POST", "a", 1, 1); /* one that never ends does not keep us from ending */
    pump(WHOLE);
    codec->ops->drain(codec);
    pump(WHOLE);
    CHECK(ended_well(c, "404") && resets == 1 && codec->ops->done(codec));
    stop();
}

/* As nghttpx does with an answer that came early: neither the rest nor an end of the request. */
TEST(test_http2_requests_that_never_end_keep_no_place_from_others)
{
    enum { PLACES = 256 };
    struct call *c[PLACES], *next;

    start(AT_HEAD);
    pump(WHOLE);
    for (int i = 0; i < PLACES - 1; i++)
        c[i] = call("POST", "a", 1, 1);
    pump(WHOLE);
    for (int i = 0; i < PLACES - 1; i++)
        CHECK(!strcmp(c[i]->status, "404") && !c[i]->closed);
    c[PLACES - 1] = call("POST", "a", 1, 1);
    next = call("POST", "a", 1, 1);
    pump(WHOLE);
    for (int i = 0; i < PLACES; i++)
        CHECK(ended_well(c[i], "404"));
    CHECK(!strcmp(next->status, "404") && !next->closed && !codec->flood);
    codec->now_ms = 2000; /* its time is over, and its answer has come */
    CHECK(codec->ops->expire(codec, 1000) == 0);
    pump(WHOLE);
    CHECK(ended_well(next, "404"));
    stop();
}

TEST(test_http2_the_handler_resets_its_stream_alone)
{
    struct call *c, *d;

    start(LATER);
    c = call("POST", "a", 1, 0);
    d = call("POST", "b", 1, 0);
    pump(WHOLE);
    gw_http_reset(room.open[0], NGHTTP2_REFUSED_STREAM);
    CHECK(room.gones == 0);
    pump(WHOLE);
    CHECK(c->closed == 1 && c->code == NGHTTP2_REFUSED_STREAM && room.gones == 1 && !d->closed);
    stop();
}

TEST(test_http2_a_reset_of_the_peer_is_the_last_of_its_stream)
{
    struct call *c;

    start(LATER);
    c = call("POST", "a", 1, 0);
    call("POST", "b", 1, 0);
    pump(WHOLE);
    /* Answered in the turn in which the reset comes. */
    room_answer(&room, room.open[0], 200);
    nghttp2_submit_rst_stream(client, 0, (int32_t)(c - calls), NGHTTP2_CANCEL);
    pump(WHOLE);
    CHECK(room.gones == 1 && room.n_open == 1);
    stop();
    CHECK(room.gones == 2);
}

TEST(test_http2_a_head_too_large_ends_only_its_stream)
{
    static char large[2000];
    const nghttp2_nv head[] = {nv(":method", "GET"), nv(":scheme", "http"), nv(":authority", "a"),
                               nv(":path", "/"), nv("x-large", large)};
    struct call *c;
    int32_t id;

    start(AT_END);
    memset(large, 'l', sizeof(large) - 1);
    id = nghttp2_submit_request(
        client, NULL, (nghttp2_nv[]){head[0], head[1], head[2], head[3], nv("x-large", large)}, 5,
        NULL, NULL);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    CHECK(calls[id].closed == 1 && calls[id].code != NGHTTP2_NO_ERROR && room.heads == 1);
    CHECK(ended_well(c, "200"));
    stop();
}

TEST(test_http2_drain_says_goaway_and_ends_after_the_last_answer)
{
    struct call *c;

    start(LATER);
    c = call("POST", "a", 1, 0);
    pump(WHOLE);
    codec->ops->drain(codec);
    pump(WHOLE);
    CHECK(goaways == 1 && last_code == NGHTTP2_NO_ERROR && !codec->ops->done(codec));
    room_answer(&room, room.open[0], 200);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && codec->ops->done(codec));
    stop();
}

TEST(test_http2_a_peer_that_only_opens_and_resets_is_sent_away)
{
    start(LATER);
    pump(WHOLE);
    for (int i = 0; i < 2000 && !fed; i++) {
        struct call *c = call("POST", "a", 1, 1);

        pump(WHOLE);
        if (fed)
            break;
        nghttp2_submit_rst_stream(client, 0, (int32_t)(c - calls), NGHTTP2_CANCEL);
        pump(WHOLE);
    }
    CHECK(fed == -1 && goaways == 1 && last_code != NGHTTP2_NO_ERROR);
    stop();
}

/* nghttp2 has a bound of its own, and what was answered before does not count there. */
TEST(test_http2_a_peer_that_only_resets_now_is_sent_away_with_what_is_open)
{
    struct call *c;
    int n = 0;

    start(AT_END);
    for (int i = 0; i < 300; i++)
        (void)call("GET", NULL, 0, 0);
    pump(WHOLE);
    room.reply = LATER;
    (void)call("POST", "a", 1, 1);
    for (; n < 2000 && !fed; n++) {
        c = call("POST", "a", 1, 1);
        pump(WHOLE);
        if (!fed)
            nghttp2_submit_rst_stream(client, 0, (int32_t)(c - calls), NGHTTP2_CANCEL);
        pump(WHOLE);
    }
    CHECK(fed == -1 && codec->flood && n > 900 && n < 1400);
    stop();
}

/* nghttp2 counts the resets that come, not those that a peer brings it to send. */
TEST(test_http2_a_peer_that_makes_us_reset_is_sent_away)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    /* A POST, and a window beyond its maximum. */
    char bytes[] = "\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1a"
                   "\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff";
    int n, rc;

    for (int slow = 0; slow < 2; slow++) {
        room.heads = room.gones = 0;
        start(LATER);
        rc = codec->ops->feed(codec, (struct gw_str){preface, sizeof(preface) - 1});
        for (n = 0; n < 3000 && !rc; n++) {
            bytes[7] = bytes[22] = (char)((2 * n + 1) >> 8);
            bytes[8] = bytes[23] = (char)((2 * n + 1) & 0xff);
            codec->now_ms += slow ? 100 : 0; /* now and then over days: it may stay */
            rc = codec->ops->feed(codec, (struct gw_str){bytes, sizeof(bytes) - 1});
        }
        CHECK(slow ? !rc && n == 3000 : rc == -1 && n > 900 && n < 1100);
        CHECK(room.heads == n && room.n_open == 0);
        stop();
    }
}

/* The last one goes when answers are filled in, and nothing may ever come again. */
TEST(test_http2_a_flood_that_is_seen_as_answers_leave_ends_the_connection)
{
    start(LATER);
    while (!codec->flood && room.heads < 2000) {
        for (int i = 0; i < 100; i++)
            (void)call("GET", NULL, 0, 0);
        pump(WHOLE);
        CHECK(!fed && room.n_open == 100 && !codec->ops->done(codec));
        for (int i = 0; i < 100; i++)
            gw_http_reset(room.open[i], NGHTTP2_CANCEL);
        codec->ops->fill(codec);
    }
    CHECK(codec->flood && room.heads > 1000 && codec->ops->done(codec));
    pump(WHOLE);
    CHECK(goaways == 1 && last_code == NGHTTP2_ENHANCE_YOUR_CALM);
    stop();
}

TEST(test_http2_a_flood_of_pings_ends_the_connection)
{
    char pings[4000][17];
    int rc;

    start(AT_END);
    pump(WHOLE);
    memset(pings, 0, sizeof(pings));
    for (size_t i = 0; i < 4000; i++)
        memcpy(pings[i], "\0\0\10\6", 4);
    rc = codec->ops->feed(codec, (struct gw_str){pings[0], sizeof(pings)});
    CHECK(rc == -1 && codec->out.len < sizeof(pings) / 2);
    stop();
}

/* A stream that is open, for what may come on one: POST /a without an end. */
#define OPENED                                                                                     \
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1a"

/* How many of this frame are taken before the peer is sent away; at most `most`. */
static int flood(const char *frame, size_t len, int most)
{
    int n = 0, rc;

    gw_buf_clear(&codec->out);
    rc = codec->ops->feed(codec, (struct gw_str){OPENED, sizeof(OPENED) - 1});
    CHECK(rc == 0 && room.heads == 1);
    while (n < most && !rc) {
        rc = codec->ops->feed(codec, (struct gw_str){frame, len});
        n++;
        if (codec->out.len > 1 << 20) /* the connection sends; a peer that takes it gains nothing */
            gw_buf_clear(&codec->out);
    }
    return n;
}

TEST(test_http2_frames_that_bring_nothing_are_counted)
{
    static const struct {
        const char *name, *frame;
        size_t len;
    } floods[] = {{"PING", "\0\0\x8\6\0\0\0\0\0 8 bytes", 17},
                  {"PING's answer", "\0\0\x8\6\1\0\0\0\0 8 bytes", 17},
                  {"SETTINGS", "\0\0\0\4\0\0\0\0\0", 9},
                  {"a setting", "\0\0\6\4\0\0\0\0\0\0\4\0\1\0\0", 15},
                  {"empty DATA", "\0\0\0\0\0\0\0\0\1", 9},
                  {"padding", "\0\0\3\0\x8\0\0\0\1\2\0\0", 12},
                  {"PRIORITY", "\0\0\5\2\0\0\0\0\3\0\0\0\0\1", 14},
                  {"the connection's window", "\0\0\4\x8\0\0\0\0\0\0\0\0\1", 13},
                  {"a stream's window", "\0\0\4\x8\0\0\0\0\1\0\0\0\1", 13},
                  {"unknown", "\0\0\0\x20\0\0\0\0\0", 9}};

    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        int n;

        room.heads = room.gones = 0;
        start(LATER);
        n = flood(floods[i].frame, floods[i].len, 20000);
        if (n < 9000 || n > 11000 || !codec->flood) {
            fprintf(stderr, "%s: %d\n", floods[i].name, n);
            exit(1);
        }
        stop();
    }
}

/* A head in ever more pieces, of some bytes or of none, and one that ends the stream for ever. */
TEST(test_http2_a_flood_of_continuations_ends_the_connection)
{
    static const char empty[] = "\0\0\0\x9\0\0\0\0\3", head[] = "\0\0\1\1\0\0\0\0\3\x83";
    int n = 0, rc;

    start(LATER);
    rc = codec->ops->feed(codec, (struct gw_str){OPENED, sizeof(OPENED) - 1});
    rc |= codec->ops->feed(codec, (struct gw_str){head, sizeof(head) - 1});
    CHECK(rc == 0);
    for (; n < 1000 && !rc; n++)
        rc = codec->ops->feed(codec, (struct gw_str){empty, sizeof(empty) - 1});
    CHECK(rc == -1 && n <= 101 && room.heads == 1);
    stop();
}

/* GET / in six pieces, the last one with so many fields of 60 bytes, a byte each. */
static int head_in_pieces(int id, size_t fields)
{
    char bytes[200] = {0}, *at = bytes;
    static const char block[] = {'\x82', '\x86', '\x84', '\x41', '\1', 'a'};

    for (size_t i = 0; i < 6; i++) {
        const size_t more = i == 5 ? fields : 0;
        const char hd[] = {0,
                           0,
                           (char)(1 + more),
                           (char)(i ? NGHTTP2_CONTINUATION : NGHTTP2_HEADERS),
                           (char)(i == 5 ? NGHTTP2_FLAG_END_HEADERS
                                  : i    ? 0
                                         : 1),
                           0,
                           0,
                           (char)(id >> 8),
                           (char)(id & 0xff),
                           block[i]};

        memcpy(at, hd, sizeof(hd));
        memset(at + sizeof(hd), '\x90', more);
        at += sizeof(hd) + more;
    }
    return codec->ops->feed(codec, (struct gw_str){bytes, (size_t)(at - bytes)});
}

static int heads_in_pieces(size_t fields, int most)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int n = 0, rc;

    start(AT_END);
    rc = codec->ops->feed(codec, (struct gw_str){preface, sizeof(preface) - 1});
    for (; n < most && !rc; n++)
        rc = head_in_pieces(2 * n + 1, fields);
    return n;
}

/* Of a head that comes whole a piece is a frame like others; of one that is refused it weighs. */
TEST(test_http2_heads_in_pieces_are_no_flood_unless_they_are_refused)
{
    CHECK(heads_in_pieces(0, 1000) == 1000 && !codec->flood && room.heads == 1000);
    stop();
    CHECK(heads_in_pieces(20, 1000) < 50 && codec->flood && room.heads == 1000);
    stop();
}

/* What goes with work is no flood: two windows are opened for each byte of an answer, and a PING
 * comes with each piece of a request. */
TEST(test_http2_answers_through_windows_of_one)
{
    const nghttp2_settings_entry one = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1};
    struct call *c, *d;

    room.answer_bytes = 30000;
    start(AT_END);
    nghttp2_submit_settings(client, 0, &one, 1);
    CHECK(!nghttp2_session_set_local_window_size(client, 0, 0, 1));
    c = call("GET", NULL, 0, 0);
    d = call("POST", "x", 1, 0);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && ended_well(d, "200"));
    CHECK(c->body_len == 30000 && d->body_len == 30000 && !codec->flood && !fed);
    stop();
}

TEST(test_http2_pings_beside_work_or_now_and_then_are_no_flood)
{
    static const char ping[] = "\0\0\x8\6\0\0\0\0\0 8 bytes", piece[] = "\0\0\1\0\0\0\0\0\1x";

    start(LATER);
    room.drops = 1;
    CHECK(flood(ping, sizeof(ping) - 1, 5000) == 5000);
    for (int i = 0; i < 20000; i++) {
        gw_buf_clear(&codec->out);
        CHECK(!codec->ops->feed(codec, (struct gw_str){piece, sizeof(piece) - 1}));
        CHECK(!codec->ops->feed(codec, (struct gw_str){ping, sizeof(ping) - 1}));
    }
    for (int i = 0; i < 20000; i++) {
        gw_buf_clear(&codec->out);
        codec->now_ms += 100;
        CHECK(!codec->ops->feed(codec, (struct gw_str){ping, sizeof(ping) - 1}));
    }
    stop();
}

/* 4000 bytes in the table, named by a byte each: 16 KB would become 64 MB. */
TEST(test_http2_a_small_head_that_would_become_a_large_one_is_refused)
{
    enum { VALUE = 3900, NAMED = 16000 };
    static char block[9 + NAMED + 4100];
    size_t n = 9;
    int rc;

    start(LATER);
    rc = codec->ops->feed(codec, (struct gw_str){OPENED, sizeof(OPENED) - 1});
    memcpy(block + n, "\x83\x86\x84\x41\1a\x40\1b\x7f\xbd\x1d", 12); /* b: 3900 bytes */
    n += 12;
    memset(block + n, 'v', VALUE);
    n += VALUE;
    memset(block + n, 0xbe, NAMED - 4000);
    n += NAMED - 4000;
    memcpy(block, (char[]){0, (char)((n - 9) >> 8), (char)(n - 9), 1, 5, 0, 0, 0, 3}, 9);
    rc |= codec->ops->feed(codec, (struct gw_str){block, n});
    CHECK(rc == 0 && room.heads == 1); /* the stream that was there; this one has no head */
    CHECK(memmem(codec->out.p, codec->out.len, "\0\0\4\3\0\0\0\0\3", 9));
    stop();
}

TEST(test_http2_what_is_no_frame_ends_the_connection)
{
    char bytes[100];

    start(AT_END);
    memset(bytes, 0xff, sizeof(bytes));
    CHECK(codec->ops->feed(codec, GW_STR("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")) == -1);
    stop();
    start(AT_END);
    pump(WHOLE);
    CHECK(codec->ops->feed(codec, (struct gw_str){bytes, sizeof(bytes)}) == -1);
    stop();
}

TEST(test_http2_close_calls_gone_for_what_is_open)
{
    start(LATER);
    for (int i = 0; i < 10; i++)
        call("POST", "abc", 3, i % 2);
    pump(WHOLE);
    CHECK(room.n_open == 10 && room.gones == 0);
    room_answer(&room, room.open[0], 200);
    stop();
    CHECK(room.gones == 10);
}

TEST(test_http2_a_stalled_stream_expires_beside_busy_ones)
{
    struct call *stalled, *slow, *busy;

    start(LATER);
    codec->now_ms = 1000;
    stalled = call("POST", "a", 1, 1);
    busy = call("POST", "b", 1, 0);
    pump(WHOLE);
    codec->now_ms = 1900;
    slow = call("POST", "c", 1, 1);
    pump(WHOLE);
    CHECK(codec->ops->expire(codec, 1000) == 2000);
    codec->now_ms = 2000;
    CHECK(codec->ops->expire(codec, 1000) == 2900 && room.gones == 0);
    pump(WHOLE);
    CHECK(stalled->closed == 1 && stalled->code == NGHTTP2_CANCEL && room.gones == 1);
    CHECK(!slow->closed && !busy->closed);
    codec->now_ms = 2900;
    CHECK(codec->ops->expire(codec, 1000) == 0);
    pump(WHOLE);
    CHECK(slow->closed == 1 && !busy->closed && room.n_open == 1);
    stop();
}

/* However long its handler thought: from then on its peer has the time. */
TEST(test_http2_an_answer_waits_for_its_window_from_when_it_is_written)
{
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    struct call *c;

    keeps_windows = 1;
    start(LATER);
    nghttp2_submit_settings(client, 0, &shut, 1);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    codec->now_ms = 3600000;
    CHECK(codec->ops->expire(codec, 1000) == 0);
    gw_http_respond(room.open[0], 200, NULL, 0);
    gw_http_write(room.open[0], GW_STR("one"));
    CHECK(codec->ops->expire(codec, 1000) == 0); /* it is on its way */
    pump(WHOLE);
    CHECK(codec->ops->expire(codec, 1000) == 3601000);
    nghttp2_submit_window_update(client, 0, 1, 3);
    pump(WHOLE);
    CHECK(c->body_len == 3 && codec->ops->expire(codec, 1000) == 0);
    codec->now_ms = 7200000;
    gw_http_write(room.open[0], GW_STR("two"));
    gw_http_finish(room.open[0], NULL, 0);
    pump(WHOLE);
    CHECK(codec->ops->expire(codec, 1000) == 7201000);
    nghttp2_submit_window_update(client, 0, 1, 3);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && c->body_len == 6);
    stop();
}

TEST(test_http2_a_client_that_said_goodbye_is_closed_after_its_last_answer)
{
    struct call *c;

    start(LATER);
    c = call("GET", NULL, 0, 0);
    pump(WHOLE);
    nghttp2_submit_goaway(client, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
    pump(WHOLE);
    CHECK(!fed && !codec->ops->done(codec));
    room_answer(&room, room.open[0], 200);
    pump(WHOLE);
    CHECK(ended_well(c, "200") && codec->ops->done(codec));
    stop();
}

TEST(test_http2_says_what_it_waits_for)
{
    start(LATER);
    pump(WHOLE);
    CHECK(codec->ops->wait(codec) == GW_WAIT_REQUEST);
    call("POST", "abc", 3, 1);
    pump(WHOLE);
    CHECK(codec->ops->wait(codec) == GW_WAIT_BODY);
    call("POST", "abc", 3, 0);
    pump(WHOLE);
    CHECK(codec->ops->wait(codec) == GW_WAIT_ANSWER);
    codec->ops->eof(codec);
    CHECK(codec->ops->done(codec));
    stop();
}

/* Of a request whose handler holds it, as much as the window lets out. */
static void send_held(struct call *c, const char *body, size_t size, int unfinished)
{
    pump(WHOLE);
    gw_http_hold(room.open[0]);
    room.open[0]->body_max = size;
    c->request = body;
    c->request_len = size;
    c->unfinished = unfinished;
    nghttp2_session_resume_data(client, 1);
    pump(WHOLE);
}

TEST(test_http2_a_stream_that_is_held_gets_its_window_when_its_handler_says)
{
    enum { SIZE = 3 << 20, WINDOW = 1 << 20 };
    char *big = calloc(1, SIZE);
    struct call *c, *other;

    start(LATER);
    c = call("POST", "", 0, 1);
    send_held(c, big, SIZE, 1);
    CHECK(c->request_len == SIZE - WINDOW && room.open[0]->body.len == WINDOW);
    codec->now_ms = 3600000; /* who is held may be silent for as long as its handler likes */
    CHECK(codec->ops->expire(codec, 1000) == 0 && codec->ops->wait(codec) == GW_WAIT_ANSWER);
    room.reply = AT_END; /* others are not kept waiting */
    other = call("POST", "x", 1, 0);
    pump(WHOLE);
    CHECK(ended_well(other, "200") && c->request_len == SIZE - WINDOW);
    gw_http_took(room.open[0], WINDOW);
    gw_buf_clear(&room.open[0]->body);
    pump(WHOLE);
    CHECK(c->request_len == SIZE - 2 * WINDOW && room.open[0]->body.len == WINDOW);
    free(big);
    stop();
}

/* What comes after its answer is read over, as of all others. */
TEST(test_http2_a_stream_that_is_held_is_read_over_after_its_answer)
{
    enum { SIZE = 3 << 20, WINDOW = 1 << 20 };
    char *big = calloc(1, SIZE);
    struct call *c;

    start(LATER);
    c = call("POST", "", 0, 1);
    send_held(c, big, SIZE, 0);
    CHECK(c->request_len == SIZE - WINDOW);
    gw_http_took(room.open[0], WINDOW / 4);
    room_answer(&room, room.open[0], 200);
    gw_http_took(room.open[0], SIZE); /* more than came: what is given back is what came */
    pump(WHOLE);
    CHECK(c->request_len == 0 && ended_well(c, "200") && !resets && room.gones == 1);
    free(big);
    stop();
}
