#include "publish/key.h"

#include "event/event.h"
#include "publish/publisher.h"

#include <string.h>

int gw_key_choice_parse(const char *text, struct gw_key_choice *out)
{
    static const char *const names[] = {"key", "id", "none"};

    *out = (struct gw_key_choice){0};
    for (int i = GW_KEY_RECORD; i < GW_KEY_ATTR; i++)
        if (!strcmp(text, names[i])) {
            out->from = i;
            return 0;
        }
    if (strncmp(text, "attr:", 5) != 0)
        return -1;
    out->from = GW_KEY_ATTR;
    out->attr = gw_str_of(text + 5);
    return gw_attr_name_ok(out->attr) ? 0 : -1;
}

void gw_key_choose(const struct gw_key_choice *k, const struct gw_event *ev, struct gw_message *m)
{
    const struct gw_attr *a = k->from == GW_KEY_ATTR ? gw_event_get(ev, k->attr) : NULL;

    if (k->from != GW_KEY_RECORD)
        m->key = k->from == GW_KEY_ID ? m->event_id : a ? a->text : (struct gw_str){0};
}
