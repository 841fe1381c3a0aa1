#ifndef GW_BASE_HEADER_H
#define GW_BASE_HEADER_H

#include "base/str.h"

/* A header of an HTTP message: of a request, the name in lower case, the value without outer white
 * space. */
struct gw_http_header {
    struct gw_str name, value;
};

#endif
