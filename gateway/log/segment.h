#ifndef GW_LOG_SEGMENT_H
#define GW_LOG_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The form of a segment. No I/O of its own, no thread.
 *
 *   0      head:   magic, version, CRC, first sequence, salt; 64 bytes
 *   4096   the head again, should its block be lost
 *   4160   records: a header of 48 bytes, the encoded record, padding to 8
 *
 * Numbers are little-endian. A header has a CRC of its own, seeded by the log's salt: bytes that a
 * client chose cannot pass for one. What is left of a file's former use has lower sequences.
 * To change the form: a new version here and in the data directory's `format`; old ones are read
 * or refused by name (lock.c). */
enum {
    GW_SEGMENT_VERSION = 1,
    GW_SEGMENT_HEAD = 64,
    GW_SEGMENT_HEAD_COPY = 4096,
    GW_SEGMENT_DATA = GW_SEGMENT_HEAD_COPY + GW_SEGMENT_HEAD,
    GW_HEADER = 48,
    GW_SEGMENT_ALIGN = 8
};

struct gw_header {
    uint64_t sequence, group_first; /* of its commit group */
    uint64_t key_hash;
    int64_t received_at_ns;
    uint32_t len, crc; /* of the encoded record */
    int kind, ends_append;
};

/* Bytes that a record of len takes. */
static inline uint64_t gw_record_room(uint64_t len)
{
    return (GW_HEADER + len + GW_SEGMENT_ALIGN - 1) & ~(uint64_t)(GW_SEGMENT_ALIGN - 1);
}

uint32_t gw_header_seed(uint64_t salt);
void gw_header_put(char out[GW_HEADER], const struct gw_header *h, uint32_t seed);
int gw_header_get(const char *p, uint32_t seed, struct gw_header *out); /* -1: none */
void gw_segment_head_put(char out[GW_SEGMENT_HEAD], uint64_t first, uint64_t salt);
/* -1: none; 1: of a version that is not known here. */
int gw_segment_head_get(const char *p, uint64_t *first, uint64_t *salt);

/* A window over a segment's bytes that reads ahead. read gives up to n bytes at offset, fewer only
 * at the end; -1 with errno. */
struct gw_view {
    ssize_t (*read)(void *ctx, void *p, size_t n, uint64_t at);
    void *ctx;
    char *buf;
    size_t cap, len;
    uint64_t at;  /* of buf[0] */
    int io_error; /* errno of a read that failed; 0: none */
};
void gw_view_init(struct gw_view *v, size_t cap, void *ctx,
                  ssize_t (*read)(void *ctx, void *p, size_t n, uint64_t at));
void gw_view_fini(struct gw_view *v);
void gw_view_forget(struct gw_view *v); /* the source has changed */
/* n (at most cap) bytes at offset, none of them at or past limit. NULL: not there, or io_error. */
const char *gw_view_get(struct gw_view *v, uint64_t at, size_t n, uint64_t limit);
/* Any number of bytes, copied. -1: not there, or io_error. */
int gw_view_copy(struct gw_view *v, uint64_t at, void *out, size_t n, uint64_t limit);

/* The next header in bytes at to limit with after < sequence <= last: its offset, or 0. */
struct gw_range {
    uint64_t at, limit, after, last;
};
uint64_t gw_header_find(struct gw_view *v, const struct gw_range *in, uint32_t seed,
                        struct gw_header *out);

/* read of a view whose ctx is an int *: a file's descriptor. */
ssize_t gw_view_read_file(void *fd, void *p, size_t n, uint64_t at);

#endif
