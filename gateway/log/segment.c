#include "log/segment.h"

#include "base/text.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char segment_magic[8] = "MOONLOG1";
enum { RECORD_MAGIC = 0x4352574d, ENDS_APPEND = 1, CRC_AT = 8 };

/* As it is on the disk. */
struct disk_header {
    uint32_t magic, header_crc; /* of what follows */
    uint32_t len, crc;
    uint64_t sequence;
    uint64_t received_at_ns;
    uint64_t key_hash;
    uint32_t back; /* to the first sequence of its group */
    uint8_t kind, flags;
    uint16_t zero;
};
struct disk_head {
    char magic[8];
    uint32_t version, crc; /* of what follows */
    uint64_t first, salt;
    char zero[32];
};
_Static_assert(sizeof(struct disk_header) == GW_HEADER, "no padding");
_Static_assert(sizeof(struct disk_head) == GW_SEGMENT_HEAD, "no padding");

uint32_t gw_header_seed(uint64_t salt)
{
    uint64_t le = htole64(salt);

    return gw_crc32c(0, &le, sizeof(le));
}

void gw_header_put(char out[GW_HEADER], const struct gw_header *h, uint32_t seed)
{
    struct disk_header d = {.magic = htole32(RECORD_MAGIC),
                            .len = htole32(h->len),
                            .crc = htole32(h->crc),
                            .sequence = htole64(h->sequence),
                            .received_at_ns = htole64((uint64_t)h->received_at_ns),
                            .key_hash = htole64(h->key_hash),
                            .back = htole32((uint32_t)(h->sequence - h->group_first)),
                            .kind = (uint8_t)h->kind,
                            .flags = h->ends_append ? ENDS_APPEND : 0};

    d.header_crc = htole32(gw_crc32c(seed, (char *)&d + CRC_AT, sizeof(d) - CRC_AT));
    memcpy(out, &d, sizeof(d));
}

int gw_header_get(const char *p, uint32_t seed, struct gw_header *out)
{
    struct disk_header d;

    memcpy(&d, p, sizeof(d));
    if (le32toh(d.magic) != RECORD_MAGIC ||
        le32toh(d.header_crc) != gw_crc32c(seed, (char *)&d + CRC_AT, sizeof(d) - CRC_AT))
        return -1;
    *out = (struct gw_header){.sequence = le64toh(d.sequence),
                              .group_first = le64toh(d.sequence) - le32toh(d.back),
                              .key_hash = le64toh(d.key_hash),
                              .received_at_ns = (int64_t)le64toh(d.received_at_ns),
                              .len = le32toh(d.len),
                              .crc = le32toh(d.crc),
                              .kind = d.kind,
                              .ends_append = d.flags & ENDS_APPEND};
    return 0;
}

void gw_segment_head_put(char out[GW_SEGMENT_HEAD], uint64_t first, uint64_t salt)
{
    struct disk_head d = {
        .version = htole32(GW_SEGMENT_VERSION), .first = htole64(first), .salt = htole64(salt)};

    memcpy(d.magic, segment_magic, sizeof(d.magic));
    d.crc = htole32(gw_crc32c(0, &d.first, sizeof(d) - offsetof(struct disk_head, first)));
    memcpy(out, &d, sizeof(d));
}

int gw_segment_head_get(const char *p, uint64_t *first, uint64_t *salt)
{
    struct disk_head d;

    memcpy(&d, p, sizeof(d));
    if (memcmp(d.magic, segment_magic, sizeof(d.magic)) != 0 ||
        le32toh(d.crc) != gw_crc32c(0, &d.first, sizeof(d) - offsetof(struct disk_head, first)))
        return -1;
    *first = le64toh(d.first);
    *salt = le64toh(d.salt);
    return le32toh(d.version) != GW_SEGMENT_VERSION;
}

void gw_view_init(struct gw_view *v, size_t cap, void *ctx,
                  ssize_t (*read)(void *ctx, void *p, size_t n, uint64_t at))
{
    *v = (struct gw_view){.read = read, .ctx = ctx, .cap = cap};
}

void gw_view_fini(struct gw_view *v)
{
    free(v->buf);
    v->buf = NULL;
}

void gw_view_forget(struct gw_view *v)
{
    v->len = 0;
    v->io_error = 0;
}

static int fill(struct gw_view *v, uint64_t at, char *p, size_t n, size_t *got)
{
    for (*got = 0; *got < n;) {
        ssize_t rc = v->read(v->ctx, p + *got, n - *got, at + *got);

        if (rc < 0) {
            v->io_error = errno;
            return -1;
        }
        if (rc == 0)
            break;
        *got += (size_t)rc;
    }
    return 0;
}

const char *gw_view_get(struct gw_view *v, uint64_t at, size_t n, uint64_t limit)
{
    size_t want = v->cap;

    assert(n <= v->cap);
    if (at >= v->at && at + n <= v->at + v->len)
        return at + n <= limit ? v->buf + (at - v->at) : NULL;
    if (at + n > limit)
        return NULL;
    if (!v->buf && !(v->buf = malloc(v->cap)))
        abort();
    if (limit - at < want)
        want = (size_t)(limit - at);
    v->len = 0;
    v->at = at;
    if (fill(v, at, v->buf, want, &v->len))
        return NULL;
    return n <= v->len ? v->buf : NULL;
}

int gw_view_copy(struct gw_view *v, uint64_t at, void *out, size_t n, uint64_t limit)
{
    size_t got;

    if (n <= v->cap / 2) {
        const char *p = gw_view_get(v, at, n, limit);

        if (p && n)
            memcpy(out, p, n);
        return p ? 0 : -1;
    }
    if (at + n > limit || fill(v, at, out, n, &got))
        return -1;
    return got == n ? 0 : -1;
}

uint64_t gw_header_find(struct gw_view *v, const struct gw_range *in, uint32_t seed,
                        struct gw_header *out)
{
    const uint32_t magic = htole32(RECORD_MAGIC);
    uint64_t at = (in->at + GW_SEGMENT_ALIGN - 1) & ~(uint64_t)(GW_SEGMENT_ALIGN - 1);

    for (; at + GW_HEADER <= in->limit; at += GW_SEGMENT_ALIGN) {
        const char *p = gw_view_get(v, at, GW_HEADER, in->limit);

        if (!p)
            return 0;
        if (!memcmp(p, &magic, sizeof(magic)) && !gw_header_get(p, seed, out) &&
            out->sequence > in->after && out->sequence <= in->last)
            return at;
    }
    return 0;
}

ssize_t gw_view_read_file(void *fd, void *p, size_t n, uint64_t at)
{
    ssize_t rc;

    do
        rc = pread(*(int *)fd, p, n, (off_t)at);
    while (rc < 0 && errno == EINTR);
    return rc;
}
