#include "net/http_call.h"

#include "base/arena.h"

enum { MAX_HEADERS = 256 }; /* said below */

void gw_http_call_begin(struct gw_http_call *call)
{
    call->failed = call->silent = 0;
    call->status = 0;
    call->sent = call->later_sent = 0;
    call->room = 0;
    call->head_bytes = 0;
    call->n_answer_headers = call->n_head = 0;
    call->refused = call->ended = 0;
    call->reset_code = 0;
    call->news = call->drains = (struct gw_http_call_link){0};
    gw_buf_init(&call->answer, call->max_answer, call->mem);
}

void gw_http_call_fail(struct gw_http_call *call, enum gw_err_kind kind, const char *what)
{
    if (!call->failed)
        gw_err_set(&call->err, kind, "%s", what);
    call->failed = 1;
}

int gw_http_call_header(struct gw_http_call *call, struct gw_str name, struct gw_str value)
{
    struct gw_http_header *more;

    if (call->n_answer_headers == MAX_HEADERS) {
        gw_http_call_fail(call, GW_ERR_TOO_LARGE, "the answer has more than 256 fields");
        return -1;
    }
    if (call->n_answer_headers == call->room) {
        call->room = call->room ? 2 * call->room : 16;
        more = gw_arena_alloc(call->mem, call->room * sizeof(*more));
        if (call->n_answer_headers > 0)
            memcpy(more, call->answer_headers, call->n_answer_headers * sizeof(*more));
        call->answer_headers = more;
    }
    call->answer_headers[call->n_answer_headers++] =
        (struct gw_http_header){gw_arena_str(call->mem, name), gw_arena_str(call->mem, value)};
    return 0;
}

const struct gw_str *gw_http_answer(const struct gw_http_call *call, const char *name)
{
    for (size_t i = call->n_answer_headers; i-- > 0;)
        if (gw_str_is(call->answer_headers[i].name, name))
            return &call->answer_headers[i].value;
    return NULL;
}
