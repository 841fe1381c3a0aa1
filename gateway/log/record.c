/* moongate.log.v1.Record by hand: every event passes here twice, and reading gives slices of the
 * input instead of copies. The test holds it to what protobuf-c makes of proto/record.proto. */
#include "log/record.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/varint.h"
#include "flyte/flyte.h"

#include <assert.h>
#include <string.h>

enum { VERSION = 1 };
enum { F_VERSION = 1, F_RECEIVED, F_INGEST, F_CLIENT, F_KEY, F_TRACEPARENT, F_PAYLOAD = 10 };
enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };
enum { TAG_MAX = 1, VARINT_MAX = GW_VARINT_MAX };

size_t gw_record_size(const struct gw_record *r)
{
    return 2 * (TAG_MAX + VARINT_MAX) + 5 * (TAG_MAX + VARINT_MAX) + r->ingest.len + r->client.len +
           r->key.len + r->traceparent.len + r->payload.len;
}

static char *put_bytes(char *p, unsigned field, struct gw_str s)
{
    *p++ = (char)(field << 3 | LENGTH);
    p = gw_varint_put(p, s.len);
    if (s.len)
        memcpy(p, s.p, s.len);
    return p + s.len;
}

static char *put_text(char *p, unsigned field, struct gw_str s)
{
    return s.len ? put_bytes(p, field, s) : p;
}

void gw_record_put(struct gw_buf *out, const struct gw_record *r)
{
    char *room = gw_buf_room(out, gw_record_size(r)), *p = room;

    assert(r->kind >= 0 && r->kind < GW_KINDS);
    if (!room)
        return;
    *p++ = F_VERSION << 3 | VARINT;
    *p++ = VERSION;
    if (r->received_at_ns) {
        *p++ = F_RECEIVED << 3 | VARINT;
        p = gw_varint_put(p, (uint64_t)r->received_at_ns);
    }
    p = put_text(p, F_INGEST, r->ingest);
    p = put_text(p, F_CLIENT, r->client);
    p = put_text(p, F_KEY, r->key);
    p = put_text(p, F_TRACEPARENT, r->traceparent);
    p = put_bytes(p, F_PAYLOAD + (unsigned)r->kind, r->payload);
    gw_buf_added(out, (size_t)(p - room));
}

struct input {
    const unsigned char *at, *end;
};

/* One field's value: a number for VARINT, the bytes for LENGTH. */
static int read_value(struct input *in, unsigned wire, uint64_t *number, struct gw_str *bytes)
{
    size_t left;

    if (wire == VARINT)
        return gw_varint_read(&in->at, in->end, number);
    if (wire == LENGTH) {
        if (gw_varint_read(&in->at, in->end, number))
            return -1;
    } else if (wire == FIXED64 || wire == FIXED32) {
        *number = wire == FIXED64 ? 8 : 4;
    } else {
        return -1;
    }
    left = (size_t)(in->end - in->at);
    if (*number > left)
        return -1;
    *bytes = (struct gw_str){(const char *)in->at, (size_t)*number};
    in->at += *number;
    return 0;
}

static int take(struct gw_record *r, uint64_t tag, uint64_t number, struct gw_str bytes)
{
    switch (tag) {
    case F_VERSION << 3 | VARINT:
        return (int)(number > VERSION ? VERSION + 1 : number);
    case F_RECEIVED << 3 | VARINT:
        r->received_at_ns = (int64_t)number;
        break;
    case F_INGEST << 3 | LENGTH:
        r->ingest = bytes;
        break;
    case F_CLIENT << 3 | LENGTH:
        r->client = bytes;
        break;
    case F_KEY << 3 | LENGTH:
        r->key = bytes;
        break;
    case F_TRACEPARENT << 3 | LENGTH:
        r->traceparent = bytes;
        break;
    default:
        if ((tag & 7) == LENGTH && tag >> 3 >= F_PAYLOAD && tag >> 3 < F_PAYLOAD + GW_KINDS) {
            r->kind = (int)(tag >> 3) - F_PAYLOAD;
            r->payload = bytes;
        }
    }
    return 0;
}

int gw_record_read(struct gw_str bytes, struct gw_record *out, struct gw_err *err)
{
    struct input in = {(const unsigned char *)bytes.p, (const unsigned char *)bytes.p + bytes.len};
    uint64_t tag, number = 0;
    struct gw_str value = {0};
    int version = 0, got;

    *out = (struct gw_record){.key = GW_STR(""), .ingest = GW_STR(""), .encoded = bytes};
    while (in.at < in.end) {
        if (gw_varint_read(&in.at, in.end, &tag) || tag >> 3 == 0 ||
            read_value(&in, tag & 7, &number, &value))
            return gw_err_set(err, GW_ERR_REJECT, "record: malformed before byte %zu of %zu",
                              (size_t)(in.at - (const unsigned char *)bytes.p), bytes.len);
        got = take(out, tag, number, value);
        if (got)
            version = got;
    }
    if (version > VERSION)
        return gw_err_set(err, GW_ERR_REJECT, "record: written by a newer moongate");
    if (version < 1 || !out->payload.p)
        return gw_err_set(err, GW_ERR_REJECT, "record: no %s", version < 1 ? "version" : "payload");
    out->key_hash = gw_hash64(out->key);
    return 0;
}
