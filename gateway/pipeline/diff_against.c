/* What records become here against what somebody else has published of the same reports: his events
 * take the place of the side before. */
#include "pipeline/diff.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/time.h"
#include "event/event.h"
#include "flyte/reflect.h"
#include "log/record.h"
#include "pipeline/diff_inside.h"

int gw_diff_times_eq(struct gw_str a, struct gw_str b)
{
    struct gw_time x, y;

    return !gw_time_parse(a, &x) && !gw_time_parse(b, &y) && x.sec == y.sec && x.nanos == y.nanos;
}

/* The request that is carried, in one spelling whatever the form; p NULL: none, or more than it. */
static struct gw_str request_json(struct gw_diff *d, const struct gw_event *ev)
{
    struct gw_flyte_request r;
    struct gw_buf out;
    struct gw_err err;

    if (!gw_flyte_from_event(ev, &r) || r.form == GW_CARRY_WRAPPED)
        return (struct gw_str){0};
    gw_buf_init(&out, SIZE_MAX / 2, d->mem);
    return gw_pb_json_put(&out, r.msg, &err) ? (struct gw_str){0} : gw_buf_str(&out);
}

int gw_diff_both_json(struct gw_diff *d, const struct gw_event *a, const struct gw_event *b,
                      struct gw_str *x, struct gw_str *y)
{
    const int both = gw_event_data_is_json(a) && gw_event_data_is_json(b);

    *x = both ? a->data : request_json(d, a);
    *y = both ? b->data : request_json(d, b);
    return x->p && y->p;
}

static enum gw_diff_kind kind_without(enum gw_diff_end here)
{
    return here == GW_DIFF_SIDE_PUBLISHED  ? GW_DIFF_ONLY_HERE
           : here == GW_DIFF_SIDE_FILTERED ? GW_DIFF_NEITHER
                                           : GW_DIFF_FAILING_HERE;
}

static int compare(struct gw_diff *d, const struct gw_record *rec, enum gw_diff_kind *kind,
                   struct gw_err *err)
{
    const enum gw_diff_end here = d->after.end;
    int differ;

    *kind = GW_DIFF_NEITHER;
    if (d->before.end == GW_DIFF_SIDE_ABSENT)
        *kind = kind_without(here);
    else if (here != GW_DIFF_SIDE_PUBLISHED)
        *kind = here == GW_DIFF_SIDE_FILTERED ? GW_DIFF_FILTERED_HERE : GW_DIFF_FAILING_HERE;
    else if ((differ = gw_diff_compare_lists(d, rec, err)) < 0)
        return -1;
    else
        *kind = differ ? GW_DIFF_CHANGED : GW_DIFF_SAME;
    if (*kind <= GW_DIFF_CHANGED || *kind == GW_DIFF_NEITHER)
        return 0;
    return gw_diff_other_end(d, rec, *kind, err);
}

int gw_diff_against(struct gw_diff *d, const struct gw_record *rec, const struct gw_event *there,
                    struct gw_err *err)
{
    struct gw_event copy, *one = &copy;
    enum gw_diff_kind kind;
    int rc;

    if (gw_diff_run(&d->after, rec, gw_clock_wall_ns(), err))
        return -1;
    d->before.end = there ? GW_DIFF_SIDE_PUBLISHED : GW_DIFF_SIDE_ABSENT;
    d->before.n = there != NULL;
    d->before.events = &one;
    if (there)
        copy = *there;
    rc = compare(d, rec, &kind, err);
    d->before.events = NULL;
    d->before.n = 0;
    if (rc)
        return -1;
    d->counts.records++;
    d->counts.of[kind]++;
    return 0;
}

void gw_diff_repeated_here(struct gw_diff *d)
{
    d->counts.records++;
    d->counts.of[GW_DIFF_REPEATED_HERE]++;
}

int gw_diff_only_there(struct gw_diff *d, const struct gw_event *there, uint64_t line,
                       struct gw_err *err)
{
    const struct gw_diff_entry e = {.change = GW_DIFF_ONLY_THERE,
                                    .kind = (int)gw_flyte_carried(gw_event_text(there, "type")),
                                    .seq = line,
                                    .id = gw_event_text(there, "id")};

    d->counts.of[GW_DIFF_ONLY_THERE]++;
    return gw_diff_write_entry(d, &e, NULL, err);
}

void gw_diff_repeated_there(struct gw_diff *d)
{
    d->counts.of[GW_DIFF_REPEATED_THERE]++;
}

struct gw_diff *gw_diff_open_against(const struct gw_pipeline_conf *after, uint64_t n_there,
                                     const char *folder, struct gw_err *err)
{
    struct gw_diff *d = gw_diff_open(NULL, after, folder, err);

    if (!d)
        return NULL;
    d->counts.against = 1;
    d->counts.there = n_there;
    return d;
}
