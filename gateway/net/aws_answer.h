#ifndef GW_NET_AWS_ANSWER_H
#define GW_NET_AWS_ANSWER_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_fetch;

/* What AWS's services answer: XML of the query protocol (SNS, STS), JSON (SQS, credentials), and
 * errors of both kinds. */

/* The text of the first element of that name (its prefix is not looked at), without entities; on
 * mem. p NULL: there is none. */
struct gw_str gw_aws_xml_text(struct gw_arena *mem, struct gw_str xml, const char *name);
/* The next element of that name: inner gets what is in it, *left what is behind. 0: no more. */
int gw_aws_xml_next(struct gw_str *left, const char *name, struct gw_str *inner);
/* A member of the object, if it is a string; on mem. p NULL: it is not, or no JSON. */
struct gw_str gw_aws_json_text(struct gw_arena *mem, struct gw_str json, const char *name);

/* An answer that is no success. code: "Throttling", without a namespace or what stands behind a
 * semicolon; p NULL: it has none. message: for people. On mem. */
struct gw_aws_error {
    int status;
    struct gw_str code, message;
};
void gw_aws_error_read(struct gw_arena *mem, const struct gw_fetch *f, struct gw_aws_error *out);
/* "SNS: Throttling: Rate exceeded (HTTP 400)": one line of clean text. */
void gw_aws_error_text(const struct gw_aws_error *e, const struct gw_fetch *f, const char *of,
                       struct gw_buf *out);

/* What a code says of us, or of what is asked for. */
enum gw_aws_trouble {
    GW_AWS_NO_TROUBLE, /* another code, or none */
    GW_AWS_KEY_UNKNOWN,
    GW_AWS_KEY_WRONG,
    GW_AWS_KEY_OVER,
    GW_AWS_CLOCK,
    GW_AWS_MISSING,
    GW_AWS_DENIED,
    GW_AWS_KMS
};
enum gw_aws_trouble gw_aws_trouble_of(struct gw_str code);
/* What to look at then: "is it made, in this region and account?"; NULL: nobody knows. */
const char *gw_aws_todo(struct gw_str code);

#endif
