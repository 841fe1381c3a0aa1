/* What a server sends to our HTTP/2 client, in pieces: every call ends once, whatever comes. */
#include "base/arena.h"
#include "net/http2_call.h"

#include <stdlib.h>

enum { CALLS = 3 };
static int done_count;

static void on_done(struct gw_http_call *call)
{
    if (!call->failed && (call->status < 200 || call->answer.len > 100))
        abort();
    done_count++;
}

/* The second call holds its window and sends on as it hears. */
static struct gw_http2_calls *calls_now;

static void on_data(struct gw_http_call *call)
{
    gw_http2_calls_took(calls_now, call, call->answer.len);
    gw_buf_clear(&call->answer);
    gw_http2_calls_write(calls_now, call, GW_STR("more"));
}

static void on_drained(struct gw_http_call *call)
{
    gw_http2_calls_finish(calls_now, call);
}

static void hand_out(struct gw_http2_calls *calls)
{
    struct gw_http_call *call;

    calls_now = calls;
    while ((call = gw_http2_calls_news(calls)))
        call->data(call);
    gw_http2_calls_sent(calls);
    while ((call = gw_http2_calls_drained(calls)))
        call->drained(call);
    while ((call = gw_http2_calls_ended(calls)))
        call->done(call);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_http2_calls *calls = gw_http2_calls_new();
    struct gw_http_call call[CALLS];
    size_t step = size ? data[0] + 1u : 1;
    struct gw_err err;
    struct gw_buf out;
    int rc = 0;

    done_count = 0;
    gw_buf_init(&out, 1000000, NULL);
    for (int i = 0; i < CALLS; i++) {
        call[i] = (struct gw_http_call){.method = GW_STR("POST"),
                                        .scheme = GW_STR("http"),
                                        .authority = GW_STR("a"),
                                        .path = GW_STR("/"),
                                        .body = GW_STR("body"),
                                        .max_answer = 100,
                                        .mem = mem,
                                        .done = on_done};
        if (i == 1) {
            call[i].more = call[i].holds = 1;
            call[i].data = on_data;
            call[i].drained = on_drained;
        }
        gw_http2_calls_start(calls, &call[i]);
    }
    for (size_t at = 1; at < size && !rc; at += step) {
        size_t n = size - at < step ? size - at : step;

        rc = gw_http2_calls_take(calls, &out, &err);
        if (!rc)
            rc = gw_http2_calls_feed(calls, (struct gw_str){(const char *)data + at, n}, &err);
        hand_out(calls);
        gw_buf_clear(&out);
    }
    gw_err_set(&err, GW_ERR_RETRY, "over");
    gw_http2_calls_fail(calls, &err);
    hand_out(calls);
    if (done_count != CALLS)
        abort();
    gw_http2_calls_free(calls);
    gw_buf_free(&out);
    gw_arena_free(mem);
    return 0;
}
