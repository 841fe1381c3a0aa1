/* A request as JSON, the first byte says of which kind. What is read can be told and read again,
 * and its bytes decode. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"

#include <assert.h>
#include <stdint.h>

static struct gw_str json_of(struct gw_arena *mem, const ProtobufCMessage *m)
{
    struct gw_buf out;
    struct gw_err err;
    int failed;

    gw_buf_init(&out, 1 << 26, mem);
    failed = gw_pb_json_put(&out, m, &err);
    assert(!failed);
    return gw_buf_str(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request r, again;
    struct gw_err err;
    int failed;

    if (size &&
        !gw_flyte_decode_json(mem, (enum gw_kind)(data[0] % 3),
                              (struct gw_str){(const char *)data + 1, size - 1}, &r, &err)) {
        struct gw_str json = json_of(mem, r.msg);

        failed = gw_flyte_decode(mem, r.kind, r.bytes, &again, &err);
        assert(!failed);
        assert(gw_str_eq(json_of(mem, again.msg), json));
        failed = gw_flyte_decode_json(mem, r.kind, json, &again, &err);
        assert(!failed);
        assert(gw_str_eq(json_of(mem, again.msg), json));
    }
    gw_arena_free(mem);
    return 0;
}
