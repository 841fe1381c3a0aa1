/* What a server answers over HTTP/1.x, in pieces: however it is cut, it comes to the same. */
#include "base/arena.h"
#include "base/err.h"
#include "net/http1_answer.h"
#include "net/http_call.h"

#include <stdlib.h>

static int read_all(struct gw_http_call *call, struct gw_arena *mem, struct gw_str in, size_t step,
                    int is_head)
{
    struct gw_http1_answer a;
    struct gw_err err;
    int rc = 0;

    *call = (struct gw_http_call){
        .method = is_head ? GW_STR("HEAD") : GW_STR("GET"), .max_answer = 1000, .mem = mem};
    gw_http_call_begin(call);
    gw_http1_answer_init(&a);
    gw_http1_answer_begin(&a, call);
    for (size_t n; !rc && in.len > 0; in = (struct gw_str){in.p + n, in.len - n}) {
        struct gw_str piece = {in.p, in.len < step ? in.len : step};

        n = piece.len;
        rc = gw_http1_answer_feed(&a, &piece, &err);
    }
    if (!rc && !gw_http1_answer_end(&a, &err))
        rc = 1;
    gw_http1_answer_fini(&a);
    return rc;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct gw_str in = {(const char *)data + 1, size ? size - 1 : 0};
    struct gw_arena *mem = gw_arena_new();
    struct gw_http_call whole, cut;

    if (size > 1) {
        const int rc = read_all(&whole, mem, in, size, data[0] & 1);

        if (read_all(&cut, mem, in, data[0] / 2 + 1u, data[0] & 1) != rc)
            abort();
        if (rc == 1 &&
            (whole.status < 200 || whole.status != cut.status || whole.n_head != cut.n_head ||
             !gw_str_eq(gw_buf_str(&whole.answer), gw_buf_str(&cut.answer))))
            abort();
        for (size_t i = 0; rc == 1 && i < whole.n_head; i++)
            if (!gw_header_name_ok(whole.answer_headers[i].name) ||
                !gw_header_value_ok(whole.answer_headers[i].value))
                abort();
    }
    gw_arena_free(mem);
    return 0;
}
