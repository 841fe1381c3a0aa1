#include "net/http2_call.h"

#include "base/arena.h"
#include "test.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

/* Against nghttp2's own server side: answers each request with its body, and what `mode` says. */
enum mode { ECHO, TRAILERS_ONLY, RESET, NEVER, GOAWAY, NO_STATUS_YET, EARLY_FOR_EVER, MANY_FIELDS };

struct peer {
    nghttp2_session *session;
    enum mode mode;
    char body[100000];
    size_t len, sent;
    int requests, resets;
};

static struct peer peer;
static struct gw_http2_calls *calls;
static struct gw_err err;
static int done_count;

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(size_t)(n), (uint8_t *)(size_t)(v), sizeof(n) - 1, sizeof(v) - 1, 0            \
    }

static ssize_t read_echo(nghttp2_session *session, int32_t stream, uint8_t *out, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    const nghttp2_nv trailers[] = {NV("grpc-status", "0")};

    (void)source;
    (void)ctx;
    if (len > peer.len - peer.sent)
        len = peer.len - peer.sent;
    memcpy(out, peer.body + peer.sent, len);
    peer.sent += len;
    if (peer.sent == peer.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream, trailers, 1);
    }
    return (ssize_t)len;
}

static void answer_with_fields(int32_t stream, size_t n)
{
    const nghttp2_data_provider body = {.read_callback = read_echo};
    nghttp2_nv head[300] = {NV(":status", "200")};

    for (size_t i = 1; i <= n; i++)
        head[i] = (nghttp2_nv)NV("x-a", "1");
    nghttp2_submit_response(peer.session, stream, head, n + 1, &body);
}

static void answer(int32_t stream)
{
    const nghttp2_nv head[] = {NV(":status", "200"), NV("x-a", "1"), NV("grpc-status", "14")};
    const nghttp2_nv early[] = {NV(":status", "103"), NV("x-early", "1")};
    const nghttp2_data_provider body = {.read_callback = read_echo};
    static char big[50000];
    const nghttp2_nv much[] = {NV(":status", "103"), NV("x-early", big)};

    memset(big, 'x', sizeof(big));
    for (int i = 0; peer.mode == EARLY_FOR_EVER && i < 30; i++)
        nghttp2_submit_headers(peer.session, 0, stream, NULL, much, 2, NULL);
    if (peer.mode == MANY_FIELDS)
        answer_with_fields(stream, 257);
    peer.sent = 0;
    if (peer.mode == RESET)
        nghttp2_submit_rst_stream(peer.session, 0, stream, NGHTTP2_REFUSED_STREAM);
    else if (peer.mode == TRAILERS_ONLY)
        nghttp2_submit_response(peer.session, stream, head, 3, NULL);
    else if (peer.mode == GOAWAY)
        nghttp2_session_terminate_session2(peer.session, 0, NGHTTP2_NO_ERROR);
    if (peer.mode == NO_STATUS_YET)
        nghttp2_submit_headers(peer.session, 0, stream, NULL, early, 2, NULL);
    if (peer.mode == ECHO || peer.mode == NO_STATUS_YET)
        nghttp2_submit_response(peer.session, stream, head, 2, &body);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *ctx)
{
    (void)session;
    (void)ctx;
    peer.resets += f->hd.type == NGHTTP2_RST_STREAM;
    if ((f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) &&
        (f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        peer.requests++;
        answer(f->hd.stream_id);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t len, void *ctx)
{
    (void)session;
    (void)flags;
    (void)stream;
    (void)ctx;
    memcpy(peer.body + peer.len, data, len);
    peer.len += len;
    return 0;
}

static void setup(enum mode mode)
{
    nghttp2_session_callbacks *cb;

    peer.mode = mode;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_server_new(&peer.session, cb, NULL);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(peer.session, 0, NULL, 0);
    calls = gw_http2_calls_new();
}

static void teardown(void)
{
    gw_http2_calls_free(calls);
    nghttp2_session_del(peer.session);
}

/* Carries bytes both ways until nothing moves, in pieces of at most `piece`. */
static int carry(size_t piece)
{
    int moved = 1, rc = 0;

    while (moved && !rc) {
        struct gw_buf out;
        const uint8_t *p;
        ssize_t n;

        gw_buf_init(&out, 10000000, NULL);
        rc = gw_http2_calls_take(calls, &out, &err);
        moved = out.len > 0;
        for (size_t at = 0; at < out.len; at += piece)
            nghttp2_session_mem_recv(peer.session, (uint8_t *)out.p + at,
                                     out.len - at < piece ? out.len - at : piece);
        gw_buf_free(&out);
        while (!rc && (n = nghttp2_session_mem_send(peer.session, &p)) > 0) {
            moved = 1;
            for (size_t at = 0; at < (size_t)n && !rc; at += piece)
                rc = gw_http2_calls_feed(
                    calls,
                    (struct gw_str){(const char *)p + at,
                                    (size_t)n - at < piece ? (size_t)n - at : piece},
                    &err);
        }
    }
    return rc;
}

static void on_done(struct gw_http_call *call)
{
    (void)call;
    done_count++;
}

static struct gw_http_call new_call(struct gw_arena *mem, struct gw_str body)
{
    static const struct gw_http_header h[] = {{{"te", 2}, {"trailers", 8}}};

    return (struct gw_http_call){.method = GW_STR("POST"),
                                 .scheme = GW_STR("http"),
                                 .authority = GW_STR("a:1"),
                                 .path = GW_STR("/x"),
                                 .headers = h,
                                 .n_headers = 1,
                                 .body = body,
                                 .max_answer = 70000,
                                 .mem = mem,
                                 .done = on_done};
}

static void hand_out(void)
{
    struct gw_http_call *call;

    while ((call = gw_http2_calls_ended(calls)))
        call->done(call);
}

TEST(test_http2_call_brings_body_headers_and_trailers)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call call = new_call(mem, GW_STR("hello"));

    setup(ECHO);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0 && done_count == 0);
    hand_out();
    CHECK(done_count == 1 && !call.failed && call.status == 200);
    CHECK(gw_str_is(gw_buf_str(&call.answer), "hello"));
    CHECK(gw_str_is(*gw_http_answer(&call, "x-a"), "1"));
    CHECK(gw_str_is(*gw_http_answer(&call, "grpc-status"), "0"));
    CHECK(!gw_http_answer(&call, "x-b"));
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_works_one_byte_at_a_time_both_ways)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call call = new_call(mem, GW_STR("hello"));

    setup(ECHO);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(1) == 0);
    hand_out();
    CHECK(done_count == 1 && gw_str_is(gw_buf_str(&call.answer), "hello"));
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_sends_a_body_larger_than_a_window)
{
    struct gw_arena *mem = gw_arena_new();
    char *body = gw_arena_zalloc(mem, 90000);
    struct gw_http_call call = new_call(mem, (struct gw_str){body, 90000});

    setup(TRAILERS_ONLY);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(peer.len == 90000 && !call.failed && call.answer.len == 0);
    CHECK(gw_str_is(*gw_http_answer(&call, "grpc-status"), "14"));
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_fails_when_the_answer_is_too_large)
{
    struct gw_arena *mem = gw_arena_new();
    char *body = gw_arena_zalloc(mem, 70001);
    struct gw_http_call call = new_call(mem, (struct gw_str){body, 70001});

    setup(ECHO);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 1 && call.failed && call.err.kind == GW_ERR_TOO_LARGE);
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_that_is_reset_fails_and_may_be_tried_again)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call call = new_call(mem, GW_STR("x"));

    setup(RESET);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 1 && call.failed && call.err.kind == GW_ERR_RETRY);
    peer.mode = ECHO;
    peer.len = 0;
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 2 && !call.failed && call.status == 200);
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_forgets_headers_of_an_early_answer)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call call = new_call(mem, GW_STR("x"));

    setup(NO_STATUS_YET);
    gw_http2_calls_start(calls, &call);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(call.status == 200 && gw_http_answer(&call, "x-a") && !gw_http_answer(&call, "x-early"));
    teardown();
    gw_arena_free(mem);
}

/* Headers count in all, those of early answers too. */
TEST(test_http2_call_fails_when_the_head_is_too_large)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x")), b = new_call(mem, GW_STR("y"));

    setup(EARLY_FOR_EVER);
    gw_http2_calls_start(calls, &a);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 1 && a.failed && a.err.kind == GW_ERR_TOO_LARGE && !a.reset_code);
    peer.mode = ECHO;
    peer.len = 0;
    gw_http2_calls_start(calls, &b);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 2 && !b.failed);
    teardown();
    gw_arena_free(mem);
}

/* One that was left out would make it another answer. */
TEST(test_http2_call_fails_when_there_are_too_many_fields)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x"));

    setup(MANY_FIELDS);
    gw_http2_calls_start(calls, &a);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 1 && a.failed && a.err.kind == GW_ERR_TOO_LARGE && !a.answer.len);
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_calls_that_fail_end_once_each_and_no_new_ones_start)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x")), b = a, c = a;

    setup(NEVER);
    gw_http2_calls_start(calls, &a);
    gw_http2_calls_start(calls, &b);
    CHECK(carry(100000) == 0 && peer.requests == 2);
    gw_err_set(&err, GW_ERR_RETRY, "broken");
    gw_http2_calls_fail(calls, &err);
    gw_http2_calls_start(calls, &c);
    hand_out();
    CHECK(done_count == 3 && a.failed && b.failed && c.failed && !strcmp(a.err.msg, "broken"));
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_call_that_is_cancelled_is_reset_and_never_done)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x")), b = a;

    setup(NEVER);
    gw_http2_calls_start(calls, &a);
    CHECK(carry(100000) == 0);
    gw_http2_calls_cancel(calls, &a);
    CHECK(carry(100000) == 0 && peer.resets == 1);
    peer.mode = ECHO;
    peer.len = 0;
    gw_http2_calls_start(calls, &b);
    CHECK(carry(100000) == 0);
    gw_http2_calls_cancel(calls, &b); /* it has ended, but was not handed out */
    hand_out();
    CHECK(done_count == 0);
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_calls_see_that_the_server_goes_away)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x"));

    setup(GOAWAY);
    gw_http2_calls_start(calls, &a);
    (void)carry(100000);
    CHECK(gw_http2_calls_closing(calls));
    hand_out();
    CHECK(done_count == 1 && a.failed && a.err.kind == GW_ERR_RETRY);
    teardown();
    gw_arena_free(mem);
}

/* Those that wait for a stream would wait for as long as the last one that is under way. */
TEST(test_http2_calls_that_wait_for_a_stream_are_refused_when_the_server_goes_away)
{
    const nghttp2_settings_entry one = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1};
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call a = new_call(mem, GW_STR("x")), b = new_call(mem, GW_STR("y"));
    struct gw_http_call c = new_call(mem, GW_STR("z"));

    setup(NEVER);
    nghttp2_submit_settings(peer.session, 0, &one, 1);
    (void)carry(100000);
    gw_http2_calls_start(calls, &a);
    gw_http2_calls_start(calls, &b);
    gw_http2_calls_start(calls, &c);
    CHECK(carry(100000) == 0 && peer.requests == 1);
    gw_http2_calls_cancel(calls, &c); /* nobody's: not looked at again */
    nghttp2_submit_goaway(peer.session, 0, 1, NGHTTP2_NO_ERROR, NULL, 0);
    CHECK(carry(100000) == 0);
    hand_out();
    CHECK(done_count == 1 && b.failed && b.refused && b.err.kind == GW_ERR_RETRY && !c.failed);
    peer.mode = ECHO;
    answer(1);
    (void)carry(100000);
    hand_out();
    CHECK(done_count == 2 && !a.failed && a.answer.len == 1 && peer.requests == 1);
    teardown();
    gw_arena_free(mem);
}

TEST(test_http2_calls_refuse_bytes_that_are_no_frames)
{
    struct gw_buf out;

    setup(ECHO);
    gw_buf_init(&out, 10000, NULL);
    (void)gw_http2_calls_feed(calls, GW_STR("HTTP/1.1 400 Bad Request\r\n\r\n"), &err);
    CHECK(gw_http2_calls_take(calls, &out, &err) == 0 && out.len > 0); /* GOAWAY */
    CHECK(gw_http2_calls_take(calls, &out, &err) == -1 && err.kind == GW_ERR_RETRY);
    gw_buf_free(&out);
    teardown();
}
