#include "flyte/pbjson.h"
#include "flyte/reflect.h"

#include <stdlib.h>
#include <string.h>

static int compare_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int c = len ? memcmp(a->data, b->data, len) : 0;

    return c ? c : (a->len > b->len) - (a->len < b->len);
}

#define COMPARE(type, a, b)                                                                        \
    ((*(const type *)(a) > *(const type *)(b)) - (*(const type *)(a) < *(const type *)(b)))

static int compare_keys(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *f = &a->descriptor->fields[GW_PB_ENTRY_KEY];
    const void *x = gw_pb_member(a, f), *y = gw_pb_member(b, f);

    switch (f->type) {
    case PROTOBUF_C_TYPE_BYTES:
        return compare_bytes(x, y);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return COMPARE(int64_t, x, y);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return COMPARE(uint64_t, x, y);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return COMPARE(uint32_t, x, y);
    default:
        return COMPARE(int32_t, x, y);
    }
}

int gw_pb_same_key(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    return compare_keys(a, b) == 0;
}

struct ranked {
    ProtobufCMessage *m;
    size_t rank;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int c = compare_keys(x->m, y->m);

    return c ? c : (x->rank < y->rank) - (x->rank > y->rank);
}

ProtobufCMessage **gw_pb_map_sorted(ProtobufCMessage *const *entries, size_t n)
{
    ProtobufCMessage **out = malloc(n * (sizeof(void *) + sizeof(struct ranked)) + 1);
    struct ranked *ranked;

    if (!out)
        abort();
    ranked = (struct ranked *)(out + n); /* behind it, for a while */
    for (size_t i = 0; i < n; i++)
        ranked[i] = (struct ranked){entries[i], i};
    qsort(ranked, n, sizeof(*ranked), by_key);
    for (size_t i = 0; i < n; i++)
        out[i] = ranked[i].m;
    return out;
}

/* Later entries take the place of earlier ones of their key. */
static size_t sort_few(ProtobufCMessage **out, ProtobufCMessage *const *entries, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = kept;
        int c = 1;

        while (at > 0 && (c = compare_keys(out[at - 1], entries[i])) > 0)
            at--;
        if (at > 0 && c == 0) {
            out[at - 1] = entries[i];
            continue;
        }
        memmove(out + at + 1, out + at, (kept - at) * sizeof(void *));
        out[at] = entries[i];
        kept++;
    }
    return kept;
}

/* Of each key the first, where they lie. */
static size_t keep_first(ProtobufCMessage **sorted, size_t n)
{
    size_t kept = 1;

    for (size_t i = 1; i < n; i++)
        if (!gw_pb_same_key(sorted[kept - 1], sorted[i]))
            sorted[kept++] = sorted[i];
    return kept;
}

void gw_pb_map_open(struct gw_pb_map *out, const ProtobufCMessage *m,
                    const ProtobufCFieldDescriptor *f)
{
    ProtobufCMessage *const *entries = *(ProtobufCMessage *const **)gw_pb_member(m, f);
    size_t n = gw_pb_count(m, f);

    out->many = NULL;
    if (n <= GW_PB_MAP_FEW) {
        out->entries = out->few;
        out->n = sort_few(out->few, entries, n);
    } else {
        out->entries = out->many = gw_pb_map_sorted(entries, n);
        out->n = keep_first(out->many, n);
    }
}

void gw_pb_map_close(struct gw_pb_map *map)
{
    free(map->many);
}
