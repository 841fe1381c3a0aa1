/* Answers, and the errors among them. */
#include "admin/inside.h"
#include "admin/query.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "net/http.h"

void gw_answer(struct gw_http_stream *s, int status, const char *type, struct gw_str body)
{
    const struct gw_http_header h[] = {{GW_STR("content-type"), gw_str_of(type)}};

    gw_http_respond_all(s, status, h, 1, body);
}

void gw_answer_text(struct gw_http_stream *s, int status, const char *text)
{
    gw_answer(s, status, "text/plain; charset=utf-8", gw_str_of(text));
}

void gw_answer_json(struct gw_http_stream *s, int status, const struct gw_buf *body)
{
    if (body->failed)
        gw_answer_error(s, 500, "the answer is too large");
    else
        gw_answer(s, status, "application/json", gw_buf_str(body));
}

/* gRPC's numbers. */
static int code_of(int status)
{
    static const struct {
        int status, code;
    } codes[] = {{400, 3}, {401, 16}, {403, 7}, {404, 5}, {405, 12},
                 {409, 9}, {413, 8},  {429, 8}, {503, 14}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return 13;
}

void gw_put_error(struct gw_buf *b, int status, const char *message)
{
    gw_buf_printf(b, "{\"code\":%d,\"message\":", code_of(status));
    gw_json_put_string(b, gw_str_of(message));
    gw_buf_putc(b, '}');
}

void gw_answer_error(struct gw_http_stream *s, int status, const char *message)
{
    const struct gw_http_header h[] = {{GW_STR("content-type"), GW_STR("application/json")},
                                       {GW_STR("www-authenticate"), GW_STR("Bearer")}};
    struct gw_buf b;

    gw_buf_init(&b, 4096, s->mem);
    gw_put_error(&b, status, message);
    gw_http_respond_all(s, status, h, status == 401 ? 2 : 1, gw_buf_str(&b));
}

int gw_status_of(const struct gw_err *err)
{
    switch (err->kind) {
    case GW_ERR_RETRY:
        return 503;
    case GW_ERR_REJECT:
    case GW_ERR_UNSUPPORTED:
        return 400;
    case GW_ERR_TOO_LARGE:
        return 413;
    case GW_ERR_FULL:
        return 429;
    case GW_ERR_FATAL:
        break;
    }
    return 500;
}

void gw_answer_err(struct gw_http_stream *s, const struct gw_err *err)
{
    gw_answer_error(s, gw_status_of(err), err->msg);
}

int gw_request_params(struct gw_request *q, struct gw_param *params)
{
    struct gw_err err;

    if (!gw_params_read(q->s->mem, q->query, params, &err))
        return 0;
    gw_answer_err(q->s, &err);
    return -1;
}
