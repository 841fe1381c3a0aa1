#ifndef SPEC_UNIT_PUBLISH_HTTP_MOCK_H
#define SPEC_UNIT_PUBLISH_HTTP_MOCK_H

#include "http_server.h"
#include "publish/publish_http.h"

/* A publisher to the server in this process. */
static inline void http_mock_conf(struct gw_publish_http_conf *c)
{
    *c = (struct gw_publish_http_conf){
        .common = {.max_message_bytes = 1 << 20, .batch = {1, 1 << 20, 0}},
        .url = http_server(),
        .timeout_ms = 60000};
}

#endif
