#ifndef GW_FLYTE_GO_FLOAT_H
#define GW_FLYTE_GO_FLOAT_H

/* Inside the room: numbers as Go's strconv writes them, the shortest digits that read back as the
 * same number. bits: 32 for a float, 64. */
struct gw_buf;

/* As encoding/json: 1e-7, 0.000001, 100000000000000000000, 1e+21; "NaN" and infinities quoted. */
void gw_go_json_float(struct gw_buf *out, double d, int bits);
/* As protobuf's text form: 1e-05, 0.0001, 100000, 1e+06; nan, inf, -inf. */
void gw_go_text_float(struct gw_buf *out, double d, int bits);

#endif
