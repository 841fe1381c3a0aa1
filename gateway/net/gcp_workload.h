#ifndef GW_NET_GCP_WORKLOAD_H
#define GW_NET_GCP_WORKLOAD_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_http_header;

/* Workload identity federation (external_account): somebody else's token that Google's STS gives
 * one of its own for. Where it comes from is the file's credential_source. */
enum gw_gcp_subject {
    GW_GCP_SUBJECT_FILE,
    GW_GCP_SUBJECT_URL,
    GW_GCP_SUBJECT_COMMAND, /* only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1 */
    GW_GCP_SUBJECT_AWS      /* a signed GetCallerIdentity */
};

struct gw_gcp_workload {
    const char *audience, *subject_type;
    const char *user_project; /* of a workforce pool; NULL: none */
    enum gw_gcp_subject subject;
    const char *field; /* of a file's or a URL's JSON; NULL: the whole text is the token */
    const char *path;
    const char *url; /* of AWS: the role's, NULL: none */
    struct gw_http_header *headers;
    size_t n_headers;
    const char *command, *output; /* output: where it keeps what it printed; NULL: nowhere */
    int64_t timeout_ms;
    const char *region_url, *session_url, *verify_url; /* AWS; the first two may be NULL */
};

/* Of the whole file; on mem. It quotes no value. */
int gw_gcp_workload_read(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                         struct gw_err *err);

#endif
