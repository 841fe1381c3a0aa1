#ifndef GW_EVENT_EVENT_H
#define GW_EVENT_EVENT_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_route;

/* A CloudEvent 1.0. Everything it points to belongs to mem, also what a hook puts there.
 * specversion is always 1.0 and not kept. id, source, type are there in every event that was
 * checked. */
enum gw_attr_type {
    GW_ATTR_STRING = 1,
    GW_ATTR_BOOL,
    GW_ATTR_INT,
    /* from the protobuf format, kept for it; everywhere else their canonical string */
    GW_ATTR_BYTES,
    GW_ATTR_URI,
    GW_ATTR_URI_REF,
    GW_ATTR_TIME
};

struct gw_attr {
    struct gw_attr *next; /* in the order they were set */
    struct gw_str name;
    enum gw_attr_type type;
    int checked;        /* gw_event_check has found it legal; until it is set again */
    struct gw_str text; /* the canonical string, for every type ("true", "-5", RFC 3339) */
    int32_t number;     /* GW_ATTR_INT, and 0/1 of GW_ATTR_BOOL */
    /* Another program's words, repeated as they are: not asked whether they are legal. Until it is
     * set again. */
    int verbatim;
};

enum gw_data_kind {
    GW_DATA_NONE,
    GW_DATA_BYTES, /* JSON format: data_base64; protobuf format: binary_data */
    GW_DATA_TEXT,  /* UTF-8; JSON format: data as a JSON string; protobuf: text_data */
    GW_DATA_JSON,  /* JSON text, kept byte for byte; JSON format: data as it stands */
    GW_DATA_PROTO  /* a google.protobuf.Any, encoded, as it came */
};

struct gw_event {
    struct gw_arena *mem;
    struct gw_attr *attrs;
    enum gw_data_kind data_kind;
    struct gw_str data;
    const struct gw_route *route; /* where it goes (event/route.h); NULL: the publisher's default */
};

void gw_event_init(struct gw_event *ev, struct gw_arena *mem);
/* NULL if absent. Borrowed until the attribute is set again. */
const struct gw_attr *gw_event_get(const struct gw_event *ev, struct gw_str name);
/* The text of an attribute; p NULL if absent. */
static inline struct gw_str gw_event_text(const struct gw_event *ev, const char *name)
{
    const struct gw_attr *a = gw_event_get(ev, gw_str_of(name));

    return a ? a->text : (struct gw_str){0};
}
/* Keep copies of name and text; no checks. An existing attribute keeps its place. */
void gw_event_set(struct gw_event *ev, struct gw_str name, struct gw_str text);
void gw_event_set_bool(struct gw_event *ev, struct gw_str name, int value);
void gw_event_set_int(struct gw_event *ev, struct gw_str name, int32_t value);
void gw_event_set_typed(struct gw_event *ev, struct gw_str name, enum gw_attr_type type,
                        struct gw_str text);
/* The same without copying: name and text live as long as ev->mem. */
void gw_event_lend(struct gw_event *ev, struct gw_str name, struct gw_str text);
/* The same, and verbatim. */
void gw_event_lend_verbatim(struct gw_event *ev, struct gw_str name, struct gw_str text);
void gw_event_remove(struct gw_event *ev, struct gw_str name);
/* An independent event: its own attributes, the texts and the data shared (they never change). */
struct gw_event *gw_event_copy(const struct gw_event *ev, struct gw_arena *mem);

/* Rules of CloudEvents 1.0.2, "Naming Attributes" and "Type System", and lua-api's. */
/* [a-z0-9], at least one, not `data`; length is the caller's: 1 to 20 for new ones. */
int gw_attr_name_ok(struct gw_str name);
/* NULL, or why s cannot be a String: not UTF-8, a control character, a noncharacter. */
const char *gw_attr_text_problem(struct gw_str s);
/* id, source, type present and not empty; values legal; time RFC 3339; empty subject or dataschema
 * refused; what is verbatim is let be. GW_ERR_REJECT names the attribute: "time: not an RFC 3339
 * …". */
int gw_event_check(const struct gw_event *ev, struct gw_err *err);
/* The same, but the source may be empty or not there. */
int gw_event_check_but_source(const struct gw_event *ev, struct gw_err *err);
/* What is asked of those who call us and can be told, beyond gw_event_check: source a
 * URI-reference, datacontenttype a media type. A dataschema may be a URI-reference, too (some
 * clouds send "#"). A hook's, and what waits in a broker, is not held to it. */
int gw_event_check_sent(const struct gw_event *ev, struct gw_err *err);
/* RFC 3986, 4.1; letters beyond ASCII may stand where %XX may. RFC 2046's type/subtype, and
 * whatever parameters. */
int gw_uri_reference_ok(struct gw_str s);
int gw_media_type_ok(struct gw_str s);
/* Its charset is UTF-8 (or a part of it, US-ASCII), or it names none. */
int gw_media_type_is_utf8(struct gw_str type);
/* datacontenttype says JSON: subtype json or +json, or absent. */
int gw_event_is_json(const struct gw_event *ev);
/* The data is JSON text: as such, or as bytes that datacontenttype calls JSON and that are it (they
 * are looked through). */
int gw_event_data_is_json(const struct gw_event *ev);

#endif
