#ifndef GW_NET_AWS_ENDPOINT_H
#define GW_NET_AWS_ENDPOINT_H

#include "base/str.h"

#include <stddef.h>

struct gw_arena;
struct gw_aws_profiles;

/* Where a service of AWS is: regions and URLs, as AWS's SDKs find them (docs.aws.amazon.com,
 * "Service-specific endpoints", "AWS Region", "Dual-stack and FIPS endpoints"). profiles may be
 * NULL: what they would say is not known. */

/* The region: wanted, else hint (of an ARN or a URL), else AWS_REGION, AWS_DEFAULT_REGION, else the
 * profile's; NULL: nobody says. Either may be NULL. */
const char *gw_aws_region(const struct gw_aws_profiles *profiles, const char *wanted,
                          const char *hint);
/* The region that an ARN or a queue's URL names, in out; NULL: it names none. */
const char *gw_aws_region_of(const char *to, char *out, size_t size);

/* The service's URL; name ("sns") in lower case. The first of AWS_ENDPOINT_URL_<NAME>,
 * AWS_ENDPOINT_URL, the profile's `services` section, its endpoint_url, unless
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS; else the region's own, with FIPS or dual stack where
 * AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT ask for it, or the profile does. On mem, or
 * borrowed. region NULL: of STS the global one. */
const char *gw_aws_endpoint(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                            const char *name, const char *region);
/* Of AWS itself, by its host. */
int gw_aws_is_own(const char *url);
/* What is signed of a URL: the host as curl sends it, without the scheme's own port, and the path.
 */
void gw_aws_split_url(const char *url, struct gw_str *host, struct gw_str *path);
/* The file of authorities: AWS_CA_BUNDLE, else the profile's ca_bundle; NULL: the system's. */
const char *gw_aws_ca(const struct gw_aws_profiles *profiles);

#endif
