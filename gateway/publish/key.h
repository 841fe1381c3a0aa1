#ifndef GW_PUBLISH_KEY_H
#define GW_PUBLISH_KEY_H

#include "base/str.h"

struct gw_event;
struct gw_message;

/* What of an event is its message's key, as users say it: key, id, none or attr:NAME (`key` of
 * kafka, `group` of sns and sqs). */
struct gw_key_choice {
    enum {
        GW_KEY_RECORD, /* the record's, or what the style has put there */
        GW_KEY_ID,
        GW_KEY_NONE,
        GW_KEY_ATTR
    } from;
    struct gw_str attr; /* NAME; lies in the text */
};

/* -1: none of them. */
int gw_key_choice_parse(const char *text, struct gw_key_choice *out);
/* m->key and m->event_id are the record's and the event's. */
void gw_key_choose(const struct gw_key_choice *k, const struct gw_event *ev, struct gw_message *m);

#endif
