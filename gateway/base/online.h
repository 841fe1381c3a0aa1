#ifndef GW_BASE_ONLINE_H
#define GW_BASE_ONLINE_H

/* `moongate check --online`: would the destination take events, would the source give some? Nothing
 * is published, taken or made. Who asks has a deadline of its own. */
enum gw_online_answer {
    GW_ONLINE_NO,
    GW_ONLINE_YES,
    GW_ONLINE_UNSURE /* it is there, and does not let us look */
};

struct gw_online {
    /* Once, on the loop, never inside the call that asks and never after close. text, one line
     * without secrets: what is there ("topic orders, 12 partitions"), else what is wrong and what
     * to do. It may be borrowed until said returns. */
    void (*said)(struct gw_online *o, int answer, const char *text);
    char whom[200]; /* set by who asks: whose answer is waited for; empty: the type's name does */
};

/* What asks where nothing was opened for it; first in its struct. */
struct gw_asking {
    void (*close)(struct gw_asking *a);
};

#endif
