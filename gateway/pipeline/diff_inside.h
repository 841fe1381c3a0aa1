#ifndef GW_PIPELINE_DIFF_INSIDE_H
#define GW_PIPELINE_DIFF_INSIDE_H

#include "base/buf.h"
#include "base/str.h"
#include "pipeline/diff_side.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct gw_arena;
struct gw_err;

/* Inside the room, of diff.c, diff_against.c, diff_json.c and diff_report.c.
 *
 * What became of a record under both configurations: exactly one of these, so that their counts add
 * up to the records. Against somebody else's events it is one of the two first or the others, of
 * which the last two are of events without a record. */
enum gw_diff_kind {
    GW_DIFF_SAME,
    GW_DIFF_CHANGED,
    GW_DIFF_FILTERED,   /* newly filtered */
    GW_DIFF_UNFILTERED, /* no longer */
    GW_DIFF_FAILING,    /* newly failing */
    GW_DIFF_UNFAILING,
    GW_DIFF_ONLY_HERE,
    GW_DIFF_FILTERED_HERE,
    GW_DIFF_FAILING_HERE,
    GW_DIFF_REPEATED_HERE,
    GW_DIFF_NEITHER,
    GW_DIFF_ONLY_THERE,
    GW_DIFF_REPEATED_THERE,
    GW_DIFF_KINDS
};
extern const char *const gw_diff_names[GW_DIFF_KINDS]; /* same changed newly_filtered … */

/* One difference of an event. */
enum gw_diff_op {
    GW_OP_ATTRIBUTE = 1, /* name; before or after absent: added or removed */
    GW_OP_POINTER,       /* name: a JSON pointer into data; before and after are JSON */
    GW_OP_BYTES,         /* of data: before and after say sizes, name where they begin to differ */
    GW_OP_MORE,          /* so many more, in name */
};

enum { GW_DIFF_TEXT = 1024, GW_DIFF_OPS = 100 }; /* bytes of a value, differences of one event */

/* An entry of the report: an event that differs, or a record that has another end. On disk its
 * parts are texts with their length before them, so that a report may be of any size. */
struct gw_diff_entry {
    int change;       /* enum gw_diff_kind; a changed record has an entry an event that differs */
    int extra;        /* of a changed record: 1 the event is new, -1 it is there no longer */
    int kind;         /* enum gw_kind */
    uint64_t seq;     /* only_there: the line */
    struct gw_str id; /* of the event as it was, or as it is if it is new */
    struct gw_str before, after; /* another end: published, or filtered: why, or failed: why */
};

struct gw_diff_name {
    char name[24];
    uint64_t added, removed, changed;
};
enum { GW_DIFF_NAMES = 200 }; /* attributes that are counted by name; then `other` */

struct gw_diff_counts {
    int against;    /* somebody else's events */
    uint64_t there; /* so many */
    uint64_t records, events_added, events_removed;
    uint64_t of[GW_DIFF_KINDS];
    uint64_t same_failing; /* of the same ones: fail before and after */
    struct gw_diff_name names[GW_DIFF_NAMES + 1];
    size_t n_names;
};

/* The ops of the entry that is being made. */
struct gw_diff_ops {
    struct gw_buf *out;
    unsigned n;
    uint64_t more; /* over GW_DIFF_OPS */
};
void gw_diff_op(struct gw_diff_ops *ops, enum gw_diff_op op, struct gw_str name,
                struct gw_str before, struct gw_str after);

struct gw_diff {
    struct gw_diff_side before, after; /* before: of two configurations alone it has hooks */
    struct gw_diff_counts counts;
    FILE *details;
    struct gw_buf entry, ops;
    struct gw_arena *mem; /* of one comparison */
};
/* diff.c */
int gw_diff_write_entry(struct gw_diff *d, const struct gw_diff_entry *e, struct gw_diff_ops *ops,
                        struct gw_err *err);
/* The events of both sides. 1: they differ, and it is written; 0; -1: an error. */
int gw_diff_compare_lists(struct gw_diff *d, const struct gw_record *rec, struct gw_err *err);
/* The record ended otherwise than before. */
int gw_diff_other_end(struct gw_diff *d, const struct gw_record *rec, enum gw_diff_kind change,
                      struct gw_err *err);
/* diff_against.c: as consumers see them. */
int gw_diff_times_eq(struct gw_str a, struct gw_str b);
/* Data as JSON, both in one spelling where one of them is a request in protobuf. 0: not both. */
int gw_diff_both_json(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                      struct gw_str *x, struct gw_str *y);

/* diff_json.c: adds an op for each place where the two texts differ, by name. -1: one is not JSON.
 */
int gw_diff_json(struct gw_arena *mem, struct gw_str before, struct gw_str after,
                 struct gw_diff_ops *ops);

/* diff_report.c: the parts of an entry. */
void gw_diff_put_number(struct gw_buf *out, uint64_t n);
void gw_diff_put_text(struct gw_buf *out, struct gw_str s); /* cut to GW_DIFF_TEXT */
int gw_diff_write_report(const struct gw_diff_counts *c, FILE *details, int json,
                         int (*put)(void *ctx, struct gw_str text), void *ctx, struct gw_err *err);

#endif
