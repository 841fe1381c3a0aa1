#ifndef GW_BASE_HEADER_H
#define GW_BASE_HEADER_H

#include "base/str.h"

/* A header or attribute of a message: name and value in raw UTF-8. */
struct gw_header {
    struct gw_str name, value;
};

/* A header of an HTTP message: of a request, the name in lower case, the value without outer white
 * space. */
struct gw_http_header {
    struct gw_str name, value;
};

/* RFC 9110, 5.6.2 and 5.5: what a name is made of; a value without a byte that could end its line.
 */
int gw_token_byte(char c);
int gw_header_name_ok(struct gw_str name);
int gw_header_value_ok(struct gw_str value);
/* RFC 3986, 3.2.2: of a host's name or IPv4 address, escapes included. */
int gw_host_byte(char c);

#endif
