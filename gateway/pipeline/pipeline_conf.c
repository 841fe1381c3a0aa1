/* The keys of a pipeline. */
#include "pipeline/pipeline.h"

#include "log/record.h"
#include "pipeline/rate.h"

enum { SECOND = 1000, DAY = 86400 * SECOND };

#define AT(member) offsetof(struct gw_pipeline_conf, member)

static const char *const starts[] = {"new", "retained", NULL};
static const char *const hook_errors[] = {"dead_letter", "publish_unchanged", "drop", "block",
                                          NULL};
static const char *const datas[] = {"protobuf", "json", NULL};
static const char *const modes[] = {"structured", "binary", NULL};
static const char *const encodings[] = {"json", "protobuf", NULL};
static const char *const orders[] = {"key", "none", NULL};

static const struct gw_field limit_fields[] = {
    {"instructions", GW_F_INT, offsetof(struct gw_hook_limits, instructions), .def = "1000000",
     .help = "Lua instructions of one call of one script.", .min = 1000, .max = 1000000000000},
    {"memory", GW_F_SIZE, offsetof(struct gw_hook_limits, memory), .def = "32MiB",
     .help = "Of the Lua state of a worker.", .min = 1 << 20, .max = 1L << 36},
    {"timeout", GW_F_DURATION, offsetof(struct gw_hook_limits, timeout_ms), .def = "5s",
     .help = "Of one call of one script, waiting included.", .min = 1, .max = DAY},
    {"allow_hosts", GW_F_STRS, offsetof(struct gw_hook_limits, allow_hosts),
     .help = "Where moongate.http may go: host, host:port, *.host, addresses, [IPv6]. A private or "
             "loopback address needs an entry for it or for the very name; none: nowhere."},
    {"files", GW_F_STRS, offsetof(struct gw_hook_limits, files), .path = 1,
     .help = "What moongate.lookup may read: files, folders with all below them, globs."},
    {0}};

static const struct gw_field format_fields[] = {
    {"style", GW_F_CHOICE, offsetof(struct gw_format, style), .def = "documented",
     .help = "What a Flyte request becomes before the hooks: what Flyte's documentation promises; "
             "what FlyteAdmin sends as cloudEvents, version v1 or v2, and as externalEvents.",
     .choices = gw_style_names},
    {"id_spacing", GW_F_INT, offsetof(struct gw_format, id_spacing), .def = "2", .min = 1, .max = 2,
     .help = "Spaces between the fields in ids of flyteadmin and flyteadmin-v2. Each build of "
             "FlyteAdmin has its own: look at an id that it sent."},
    {"enrich_all", GW_F_BOOL, offsetof(struct gw_format, enrich_all), .def = "false",
     .help = "In flyteadmin-v2: every workflow event gets what FlyteAdmin's records add, not "
             "SUCCEEDED alone (FlyteAdmin's enrichAllWorkflowEventTypes)."},
    {"data", GW_F_CHOICE, offsetof(struct gw_format, json), .def = "protobuf",
     .help = "The request's protobuf bytes, or its proto3 JSON.", .choices = datas},
    {"mode", GW_F_CHOICE, offsetof(struct gw_format, mode),
     .help = "The event as one document, or its attributes as headers (kafka, http, nats) or "
             "message attributes (pubsub). Default: "
             "structured; in FlyteAdmin's styles binary on kafka, in flyteadmin-external on http "
             "too.",
     .choices = modes},
    {"encoding", GW_F_CHOICE, offsetof(struct gw_format, protobuf), .def = "json",
     .help = "Of structured events.", .choices = encodings},
    {"extensions", GW_F_STRS, offsetof(struct gw_format, extensions),
     .help = "Attributes to add: traceparent, partitionkey."},
    {0}};

static const struct gw_field retry_fields[] = {
    {"initial", GW_F_DURATION, 0, .def = "100ms", .help = "Delay after the first failure.",
     .min = 1, .max = DAY},
    {"max", GW_F_DURATION, sizeof(int64_t), .def = "30s", .help = "Longest delay.", .min = 1,
     .max = DAY},
    {"give_up_after", GW_F_DURATION, 2 * sizeof(int64_t), .def = "0s",
     .help = "From the first failure to the dead letter, reason gave_up; 0s: never.",
     .max = 365L * DAY},
    {0}};

static const struct gw_field letter_fields[] = {
    {"max_bytes", GW_F_SIZE, 0, .def = "1GiB",
     .help = "Bytes of all of them; full: the pipeline stops until some are dropped or replayed.",
     .min = 1, .max = 1L << 50},
    {"keep", GW_F_DURATION, sizeof(int64_t), .def = "720h",
     .help = "How long each is kept; 0s: for ever.", .max = 36500L * DAY},
    {0}};

const struct gw_field gw_pipeline_fields[] = {
    {"name", GW_F_STR, AT(name), .required = 1,
     .help = "Of its cursor, its metrics and its dead letters: [a-z0-9_-], 1 to 63."},
    {"enabled", GW_F_BOOL, AT(enabled), .def = "true", .help = "false: it is not started."},
    {"renamed_from", GW_F_STR, AT(renamed_from),
     .help = "Its name before: it takes over that one's cursor and dead letters."},
    {"start", GW_F_CHOICE, AT(start), .def = "new", .choices = starts,
     .help = "Where a new pipeline begins: from now on, or at the oldest record kept."},
    {"event_types", GW_F_STRS, AT(event_types),
     .help = "all, *, workflow, node, task, action, other; others are filtered. A CloudEvent of "
             "FlyteAdmin's is of the type that it carries. Default: all."},
    {"match", GW_F_VALUE, AT(match),
     .help = "Fields of flyte and attributes to globs, or lists of them; all keys must match."},
    {"rename", GW_F_VALUE, AT(rename), .help = "Attributes to their new names."},
    {"set", GW_F_VALUE, AT(set), .help = "Attributes to values: text, boolean, 32-bit integer."},
    {"remove", GW_F_VALUE, AT(remove), .help = "Attributes to remove."},
    {"hooks", GW_F_STRS, AT(hooks), .path = 1, .help = "Lua scripts, in the order they run."},
    {"params", GW_F_VALUE, AT(params), .help = "What the hooks read as moongate.params."},
    {"hook_limits", GW_F_TABLE, AT(hook_limits), .fields = limit_fields,
     .size = sizeof(struct gw_hook_limits), .help = "What a call of a script may use."},
    {"on_hook_error", GW_F_CHOICE, AT(on_hook_error), .def = "dead_letter", .choices = hook_errors,
     .help = "What becomes of an event whose hook fails."},
    {"format", GW_F_TABLE, AT(format), .fields = format_fields, .size = sizeof(struct gw_format),
     .help = "The form of the events."},
    {"order_by", GW_F_CHOICE, AT(unordered), .def = "key", .choices = orders,
     .help = "key: events of one key stay in order; none: nothing waits for another."},
    {"workers", GW_F_INT, AT(workers), .def = "1", .min = 1, .max = 64,
     .help = "Threads; each key belongs to one."},
    {"max_in_flight", GW_F_INT, AT(max_in_flight), .def = "1000", .min = 1, .max = 1000000,
     .help = "Records read past the settled prefix, in memory."},
    {"max_in_flight_bytes", GW_F_SIZE, AT(max_in_flight_bytes), .def = "32MiB", .min = 1 << 16,
     .max = 1L << 40, .help = "The same in bytes; one larger record alone is let through."},
    {"retry", GW_F_TABLE, AT(retry), .fields = retry_fields, .size = 3 * sizeof(int64_t),
     .help = "When a destination or a hook says not now."},
    {"dead_letters", GW_F_TABLE, AT(dead_letters), .fields = letter_fields,
     .size = 2 * sizeof(int64_t), .help = "Events that cannot be delivered, with the reason."},
    {"rate", GW_F_INT, AT(rate), .def = "0", .max = GW_RATE_MAX,
     .help = "Events sent a second, by all workers, tries again included; 0: no limit."},
    {"publisher", GW_F_UNION, AT(publisher), .required = 1, .variant = gw_publisher_variant,
     .help = "Where the events go."},
    {0}};

int gw_pipeline_takes(const struct gw_pipeline_conf *conf, const struct gw_record *rec)
{
    const unsigned all = (1U << GW_KINDS) - 1;
    enum gw_kind kind = (enum gw_kind)rec->kind;

    if (kind == GW_OTHER && (conf->event_type_mask & all) != all) {
        if (!rec->payload.p)
            return -1;
        kind = gw_flyte_carried_in(rec->payload);
    }
    return (int)(conf->event_type_mask >> kind & 1);
}
