/* A descriptor set, and a message of one of its types: which one (a byte), the set's length (two
 * bytes, low one first), the set, the message. What decodes encodes to the same meaning. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "flyte/flyte.h"
#include "flyte/pbset.h"
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

static void check_message(struct gw_arena *mem, const ProtobufCMessageDescriptor *d,
                          struct gw_str bytes)
{
    struct gw_str encoded, json;
    ProtobufCMessage *m, *again;
    struct gw_err err;

    m = gw_pb_decode(mem, d, bytes, &err);
    if (!m)
        return;
    gw_pb_missing(m);
    encoded = gw_flyte_encode(mem, m);
    again = gw_pb_decode(mem, d, encoded, &err);
    assert(again);
    assert(gw_str_eq(gw_flyte_encode(mem, again), encoded));
    json = json_of(mem, m);
    assert(!json.p || gw_str_eq(json_of(mem, again), json));
}

static size_t room_of(const ProtobufCFieldDescriptor *f)
{
    return f->label == PROTOBUF_C_LABEL_REPEATED ? sizeof(void *) : gw_pb_size(f);
}

/* Every name that a set gives leads back to where it came from. */
static void check_set(const struct gw_pbset *s)
{
    for (size_t i = 0; i < gw_pbset_count(s); i++) {
        const ProtobufCMessageDescriptor *d = gw_pbset_at(s, i);

        assert(gw_pbset_message(s, gw_str_of(d->name)) == d);
        for (unsigned f = 0; f < d->n_fields; f++) {
            assert(gw_pb_field(d, gw_str_of(d->fields[f].name)) == &d->fields[f]);
            assert(protobuf_c_message_descriptor_get_field(d, d->fields[f].id) == &d->fields[f]);
            assert(d->fields[f].offset + room_of(&d->fields[f]) <= d->sizeof_message);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_arena *mem;
    struct gw_pbset *s;
    struct gw_err err;
    size_t len;

    if (size < 3)
        return 0;
    len = (size_t)(data[1] | data[2] << 8);
    if (len > size - 3)
        len = size - 3;
    s = gw_pbset_parse((struct gw_str){(const char *)data + 3, len}, &err);
    if (!s)
        return 0;
    check_set(s);
    mem = gw_arena_new();
    if (gw_pbset_count(s))
        check_message(mem, gw_pbset_at(s, data[0] % gw_pbset_count(s)),
                      (struct gw_str){(const char *)data + 3 + len, size - 3 - len});
    gw_arena_free(mem);
    gw_pbset_free(s);
    return 0;
}
