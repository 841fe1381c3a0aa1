#ifndef GW_PUBLISH_PIECES_H
#define GW_PUBLISH_PIECES_H

#include "publish/publisher.h"

/* The messages of one send, as the requests that are still to be made of them, one after the other:
 * a batch that the destination refuses goes in halves, one with several destinations in parts. */
enum { GW_PIECES = 24 }; /* a batch is halved at most so often, and then some */
struct gw_pieces {
    struct gw_message *messages; /* without results, in order */
    size_t sizes[GW_PIECES];     /* of each piece, the last one is next */
    unsigned n;
};

void gw_pieces_begin(struct gw_pieces *p, struct gw_message *batch);
/* How many messages the next piece has; they are the first ones. */
size_t gw_pieces_next(const struct gw_pieces *p);
/* The next piece is of its first n messages; the rest of it comes behind. */
void gw_pieces_cut(struct gw_pieces *p, size_t n);
/* 0: the next piece is one message. */
int gw_pieces_halve(struct gw_pieces *p);
/* Takes the next piece out; all: whatever is left. */
struct gw_message *gw_pieces_take(struct gw_pieces *p);
struct gw_message *gw_pieces_take_all(struct gw_pieces *p);

#endif
