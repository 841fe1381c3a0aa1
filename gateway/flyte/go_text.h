#ifndef GW_FLYTE_GO_TEXT_H
#define GW_FLYTE_GO_TEXT_H

#include <protobuf-c/protobuf-c.h>

struct gw_buf;

/* A message as Go's String() tells it, what FlyteAdmin makes ids of: protobuf's text form in one
 * line, fields as the .proto declares them, unknown ones last by their number; NULL is "<nil>".
 * spacing: spaces between two fields, 1 or 2 (Go picks one of them for each executable). */
void gw_go_text_put(struct gw_buf *out, const ProtobufCMessage *m, int spacing);

#endif
