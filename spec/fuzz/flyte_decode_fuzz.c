/* A request's bytes, the first byte says of which kind. What decodes encodes to the same meaning,
 * and is told in JSON that reads back. */
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

    gw_buf_init(&out, 1 << 26, mem);
    return gw_pb_json_put(&out, m, &err) ? (struct gw_str){0} : gw_buf_str(&out);
}

static void check(struct gw_arena *mem, const struct gw_flyte_request *r)
{
    struct gw_str encoded = gw_flyte_encode(mem, r->msg), json = json_of(mem, r->msg);
    struct gw_flyte_request again;
    struct gw_flyte facts;
    struct gw_err err;
    int failed = gw_flyte_decode(mem, r->kind, encoded, &again, &err);

    assert(!failed);
    assert(gw_str_eq(gw_flyte_encode(mem, again.msg), encoded));
    gw_flyte_facts(mem, r, &facts);
    gw_flyte_key(mem, r);
    if (!json.p)
        return;
    assert(gw_str_eq(json_of(mem, again.msg), json));
    if (!gw_flyte_decode_json(mem, r->kind, json, &again, &err))
        assert(gw_str_eq(json_of(mem, again.msg), json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request r;
    struct gw_err err;

    if (size && !gw_flyte_decode(mem, (enum gw_kind)(data[0] % 4),
                                 (struct gw_str){(const char *)data + 1, size - 1}, &r, &err))
        check(mem, &r);
    gw_arena_free(mem);
    return 0;
}
