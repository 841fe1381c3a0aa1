/* One unary gRPC call over libcurl (grpc.io, "gRPC over HTTP2": a length-prefixed message each way,
 * grpc-status and grpc-message behind it, or in the head of an answer without a body). */
#include "hook/flyte_ask.h"

#include <stdio.h>

enum { HEAD = 5, URL_MAX = 4096, REQUEST_MAX = 65536 };

void gw_flyte_call_init(struct gw_flyte_call *c, struct gw_fetcher *fetcher,
                        void (*done)(struct gw_fetch *f))
{
    *c = (struct gw_flyte_call){.status = -1};
    gw_fetch_init(&c->fetch, fetcher, GW_FLYTE_ANSWER + HEAD);
    c->fetch.method = "POST";
    c->fetch.system_ca = 1;
    c->fetch.done = done;
    gw_buf_init(&c->url, URL_MAX, NULL);
    gw_buf_init(&c->frame, REQUEST_MAX, NULL);
}

void gw_flyte_call_fini(struct gw_flyte_call *c)
{
    gw_fetch_fini(&c->fetch);
    gw_buf_free(&c->url);
    gw_buf_free(&c->frame);
}

static void put_frame(struct gw_buf *b, struct gw_str message)
{
    gw_buf_clear(b);
    gw_buf_putc(b, 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        gw_buf_putc(b, (char)(message.len >> shift));
    gw_buf_put_str(b, message);
}

void gw_flyte_call_start(struct gw_flyte_call *c, const char *url, const char *method,
                         struct gw_str request, struct gw_str header, struct gw_str value)
{
    struct gw_fetch *f = &c->fetch;

    gw_buf_clear(&c->url);
    gw_buf_puts(&c->url, url);
    gw_buf_puts(&c->url, "/flyteidl.service.");
    gw_buf_puts(&c->url, method);
    gw_buf_putc(&c->url, '\0');
    put_frame(&c->frame, request);
    gw_fetch_headers_clear(f);
    gw_fetch_header(f, GW_STR("Content-Type"), GW_STR("application/grpc"));
    gw_fetch_header(f, GW_STR("TE"), GW_STR("trailers"));
    gw_fetch_header(f, GW_STR("grpc-timeout"), GW_STR("30S"));
    if (value.len)
        gw_fetch_header(f, header, value);
    f->url = c->url.p;
    f->body = gw_buf_str(&c->frame);
    gw_fetch_start(f);
}

/* ---- the answer ---- */

/* -1: it is none. */
static int read_status(struct gw_str s)
{
    const int n = gw_rpc_status(s);

    return n < GW_RPC_CODES ? n : GW_RPC_UNKNOWN; /* as gRPC says */
}

static int read_body(struct gw_flyte_call *c)
{
    const struct gw_str all = gw_buf_str(&c->fetch.answer);
    size_t len = 0;

    if (all.len < HEAD)
        return -1;
    for (int i = 1; i < HEAD; i++)
        len = len << 8 | (unsigned char)all.p[i];
    if (all.p[0] != 0 || len != all.len - HEAD)
        return -1;
    c->body = (struct gw_str){all.p + HEAD, len};
    return 0;
}

void gw_flyte_call_none(struct gw_flyte_call *c, const char *why)
{
    c->status = GW_RPC_NOT_FOUND;
    c->code = gw_rpc_code_name(c->status);
    c->body = (struct gw_str){0};
    (void)snprintf(c->why, sizeof(c->why), "FlyteAdmin: %s: %s", c->code, why);
}

static void no_answer(struct gw_flyte_call *c, const char *why)
{
    c->status = -1;
    c->code = GW_FLYTE_UNREACHABLE;
    (void)snprintf(c->why, sizeof(c->why), "FlyteAdmin: %s", why);
}

void gw_flyte_call_read(struct gw_flyte_call *c)
{
    const struct gw_fetch *f = &c->fetch;
    char message[300];

    c->body = (struct gw_str){0};
    c->code = NULL;
    c->why[0] = '\0';
    c->status = read_status(gw_fetch_answer_trailer(f, "grpc-status"));
    if (f->received > GW_FLYTE_ANSWER + HEAD) {
        no_answer(c, "the answer is larger than 16 MiB");
        c->code = GW_FLYTE_TOO_LARGE;
    } else if (f->status && f->status != 200) {
        (void)snprintf(message, sizeof(message), "it answers HTTP %d", f->status);
        no_answer(c, message);
    } else if (!f->status || c->status < 0) {
        no_answer(c, f->why[0] ? f->why : "the answer has no grpc-status");
    } else if (c->status != GW_RPC_OK) {
        c->code = gw_rpc_code_name(c->status);
        gw_rpc_message(message, sizeof(message), gw_fetch_answer_trailer(f, "grpc-message"));
        (void)snprintf(c->why, sizeof(c->why), "FlyteAdmin: %s%s%s", c->code,
                       message[0] ? ": " : "", message);
    } else if (read_body(c)) {
        no_answer(c, "the answer is no message of gRPC");
    }
}
