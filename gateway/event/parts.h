#ifndef GW_EVENT_PARTS_H
#define GW_EVENT_PARTS_H

#include "base/time.h"
#include "event/event.h"
#include "event/format.h"

struct gw_err;

/* Inside the room: what the forms share. */

/* The attributes the specification names, in the order the JSON form has them. */
enum gw_known_attr {
    GW_A_ID,
    GW_A_SOURCE,
    GW_A_TYPE,
    GW_A_SUBJECT,
    GW_A_TIME,
    GW_A_DATACONTENTTYPE,
    GW_A_DATASCHEMA,
    GW_KNOWN_ATTRS,
    GW_A_EXTENSION = GW_KNOWN_ATTRS
};
/* Inline: asked several times of each attribute. */
static inline enum gw_known_attr gw_known_attr(struct gw_str name)
{
    switch (name.len) {
    case 2:
        return gw_str_is(name, "id") ? GW_A_ID : GW_A_EXTENSION;
    case 4:
        return gw_str_is(name, "type")   ? GW_A_TYPE
               : gw_str_is(name, "time") ? GW_A_TIME
                                         : GW_A_EXTENSION;
    case 6:
        return gw_str_is(name, "source") ? GW_A_SOURCE : GW_A_EXTENSION;
    case 7:
        return gw_str_is(name, "subject") ? GW_A_SUBJECT : GW_A_EXTENSION;
    case 10:
        return gw_str_is(name, "dataschema") ? GW_A_DATASCHEMA : GW_A_EXTENSION;
    case 15:
        return gw_str_is(name, "datacontenttype") ? GW_A_DATACONTENTTYPE : GW_A_EXTENSION;
    default:
        return GW_A_EXTENSION;
    }
}

/* An event's attributes by name for a form that has no proto_data; the last: whether there are
 * extensions. What an Any says of itself is said in attributes then, if they do not say it already:
 * a type of application/protobuf, and its type URL as dataschema (as the SDKs read it). made holds
 * these. */
void gw_known_attrs(const struct gw_event *ev, const struct gw_attr *known[GW_KNOWN_ATTRS + 1],
                    struct gw_attr made[2]);

/* A reader's list of attributes: refuses a name that comes twice, and more than MAX. */
enum { GW_ATTRS_MAX = 256 };
struct gw_attr_list {
    struct gw_event *ev;
    struct gw_attr **end;
    unsigned n;
    unsigned known; /* a bit for each known attribute that is there */
};
void gw_attr_list_init(struct gw_attr_list *l, struct gw_event *ev);
/* Zeroed but for its name, in its place in ev; NULL: an error. text is the caller's to lend. */
struct gw_attr *gw_attr_list_add(struct gw_attr_list *l, struct gw_str name, struct gw_err *err);

/* A binary mode under way: each header, then the end. */
struct gw_binary {
    struct gw_event *ev;
    struct gw_attr_list attrs;
    int has_specversion;
    unsigned types_seen; /* of a broker: 1: content-type, 2: ce_datacontenttype */
};
void gw_binary_init(struct gw_binary *b, struct gw_event *ev);
/* header: its whole name, "ce-id" or "ce_id"; value as it means. */
int gw_binary_attr(struct gw_binary *b, struct gw_str header, struct gw_str value,
                   struct gw_err *err);
int gw_binary_content_type(struct gw_binary *b, struct gw_str value, struct gw_err *err);
/* specversion: the name of the header that must have been there. */
int gw_binary_end(struct gw_binary *b, const char *specversion, gw_event_mend_fn *mend,
                  struct gw_str body, struct gw_err *err);

/* Gives ev data that is text: JSON if the datacontenttype says so (or is absent and it is JSON).
 * -1: it says so and is not. */
int gw_event_take_text(struct gw_event *ev, struct gw_str text, struct gw_err *err);
/* Gives ev data that is a google.protobuf.Any. -1: it is none, and no reader of protobuf would take
 * the event. */
int gw_event_take_any(struct gw_event *ev, struct gw_str any, struct gw_err *err);
/* The data nests at most this deep, whatever the form: what stands around it does not count. */
enum { GW_EVENT_JSON_DEPTH = 100 };

/* Pieces of io.cloudevents.v1.CloudEvent: its first fields (an empty one is left out), an entry of
 * the map of attributes (of its own type, or said to be a text or a time), a field that is bytes or
 * text. */
enum { GW_EVENT_BINARY_DATA = 6, GW_EVENT_TEXT_DATA, GW_EVENT_PROTO_DATA };
void gw_event_protobuf_put_head(struct gw_buf *out, struct gw_str id, struct gw_str source,
                                struct gw_str type);
void gw_event_protobuf_put_attr(struct gw_buf *out, struct gw_arena *mem, const struct gw_attr *a);
void gw_event_protobuf_put_text(struct gw_buf *out, struct gw_str name, struct gw_str text);
void gw_event_protobuf_put_time(struct gw_buf *out, struct gw_str name, struct gw_time t);
void gw_event_protobuf_put_bytes(struct gw_buf *out, unsigned field, struct gw_str s);

/* What binary modes call an attribute: ce_NAME, ce-NAME. On mem. */
struct gw_str gw_event_header_name(struct gw_arena *mem, char separator, struct gw_str attr);

#endif
