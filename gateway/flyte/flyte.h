#ifndef GW_FLYTE_FLYTE_H
#define GW_FLYTE_FLYTE_H

#include "base/str.h"
#include "base/time.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_err;
struct gw_event;

/* What Flyte sends: event requests as protobuf messages, and the facts every kind of them has.
 * Requests are decoded into an arena; string fields are compiled as bytes (a NUL would cut a C
 * string) and their UTF-8 is checked here. */
enum gw_kind { GW_WORKFLOW, GW_NODE, GW_TASK, GW_ACTION, GW_OTHER, GW_KINDS };
extern const char *const gw_kind_names[GW_KINDS];         /* workflow node task action other */
int gw_kind_parse(struct gw_str name, enum gw_kind *out); /* -1: none of them */

/* How the data of the event says it: as the pipeline's style does, or as a CloudEvent that carries
 * the request brought it. */
enum gw_flyte_carry { GW_CARRY_STYLE, GW_CARRY_PROTOBUF, GW_CARRY_JSON, GW_CARRY_WRAPPED };

/* The names of a kind's phases, as flyte.phase has them; NULL past the last. */
const char *gw_flyte_phase_name(enum gw_kind kind, size_t i);

struct gw_flyte_request {
    enum gw_kind kind;
    struct gw_str bytes;   /* as they came */
    ProtobufCMessage *msg; /* of gw_flyte_descriptor(kind); may be changed by hooks */
    int changed;           /* a hook assigned: bytes no longer say what msg says */
    enum gw_flyte_carry form;
    struct gw_str before, after; /* GW_CARRY_WRAPPED: JSON text around the event */
};

/* flyteidl.admin.WorkflowExecutionEventRequest, …, flyteidl2.workflow.ActionEvent; NULL for OTHER.
 */
const ProtobufCMessageDescriptor *gw_flyte_descriptor(enum gw_kind kind);
/* Decodes and checks UTF-8 of every string. bytes are kept by reference. Nests at most 100 deep.
 * GW_ERR_REJECT names the field: "event.execution_id.name: not UTF-8 at byte 3"; GW_ERR_TOO_LARGE:
 * it would take more than GW_PB_MAX_MEMORY. */
int gw_flyte_decode(struct gw_arena *mem, enum gw_kind kind, struct gw_str bytes,
                    struct gw_flyte_request *out, struct gw_err *err);
/* The same from proto3 JSON, in both spellings of names; unknown fields and enum values are errors
 * (did you mean …?). bytes get the encoded message. */
int gw_flyte_decode_json(struct gw_arena *mem, enum gw_kind kind, struct gw_str json,
                         struct gw_flyte_request *out, struct gw_err *err);
/* The request that a CloudEvent carries, FlyteAdmin's own (both versions) or one in the documented
 * style; on ev->mem. 0: it carries none, or data says something else than type does. Fields that
 * JSON has and the schema has not are passed over. */
int gw_flyte_from_event(const struct gw_event *ev, struct gw_flyte_request *out);
/* What the types of Flyte's events begin with. */
#define GW_FLYTE_TYPE "com.flyte.resource."
/* What stands behind that in a type; p NULL: it is no event of Flyte's. */
struct gw_str gw_flyte_type_name(struct gw_str type);
/* By its type alone: the kind of request that it carries; GW_OTHER: none. */
enum gw_kind gw_flyte_carried(struct gw_str type);
/* The same of a CloudEvent as the log keeps it (protobuf), without reading the rest. */
enum gw_kind gw_flyte_carried_in(struct gw_str event);
/* The text of rawEvent in the data of version 2. -1: there is none. */
int gw_flyte_raw_event(struct gw_str data, struct gw_str *raw);
/* Such an event's data anew after a change. */
int gw_flyte_to_event(const struct gw_flyte_request *r, struct gw_event *ev, struct gw_err *err);
/* msg's bytes after a change, on mem. */
struct gw_str gw_flyte_encode(struct gw_arena *mem, const ProtobufCMessage *msg);

/* What scripts see as `flyte`, and what `match` and topic templates read. Texts borrow from the
 * request or are constants; p NULL: the kind has none. */
struct gw_flyte {
    enum gw_kind kind;
    struct gw_str org, project, domain, execution, node, task;
    struct gw_str phase; /* "FAILED"; an unknown one is its number */
    struct gw_str error_code, error_message;
    int64_t attempt; /* -1: none */
    int terminal, failed;
};
void gw_flyte_facts(struct gw_arena *mem, const struct gw_flyte_request *r, struct gw_flyte *out);

/* Its members by the names that scripts, `match` and templates use (lua/moongate/rules.lua has them
 * too). KIND: enum gw_kind; TEXT: struct gw_str; ATTEMPT: int64_t; FLAG: int. */
enum gw_fact_type { GW_FACT_KIND, GW_FACT_TEXT, GW_FACT_ATTEMPT, GW_FACT_FLAG };
struct gw_fact {
    const char *name;
    enum gw_fact_type type;
    size_t offset;
};
enum { GW_FACTS = 13 };
extern const struct gw_fact gw_flyte_fact_table[GW_FACTS];

/* project:domain:name, parts percent-encoded: order and partition key. */
struct gw_str gw_flyte_key(struct gw_arena *mem, const struct gw_flyte_request *r);
/* The key of a CloudEvent: partitionkey, else of the request that it carries, else source and
 * subject together. */
struct gw_str gw_event_key(struct gw_arena *mem, const struct gw_event *ev);

/* What is reported, the same in whatever form and style it came: the kind and the documented id of
 * the request, of a CloudEvent the one that it carries; of any other event its source and its id.
 */
struct gw_str gw_flyte_report(struct gw_arena *mem, const struct gw_flyte_request *r);
struct gw_str gw_event_report(struct gw_arena *mem, const struct gw_event *ev);

/* Styles: the event a request becomes, before any hook. What Flyte's documentation promises; what
 * FlyteAdmin sends with cloudEventVersion v1 or v2; the raw requests of its externalEvents. */
enum gw_style {
    GW_STYLE_DOCUMENTED,
    GW_STYLE_FLYTEADMIN,
    GW_STYLE_FLYTEADMIN_V2,
    GW_STYLE_FLYTEADMIN_EXTERNAL,
    GW_STYLES
};
extern const char *const gw_style_names[GW_STYLES + 1]; /* as in format.style; NULL ends them */
struct gw_style_conf {
    enum gw_style style;
    struct gw_str source; /* configuration `source`; FlyteAdmin's own is a constant */
    int json;             /* format.data: json */
    int enrich_all;       /* v2: every workflow event gets what FlyteAdmin's records add */
    int id_spacing;       /* 1 or 2: spaces between the fields of Go's text form in ids */
};
/* Fills ev (initialised). GW_ERR_REJECT: the request cannot be told in this style. */
int gw_style_make(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err);
/* ev->data anew after a hook changed the request. */
int gw_style_data(const struct gw_style_conf *conf, const struct gw_flyte_request *r,
                  struct gw_event *ev, struct gw_err *err);

#endif
