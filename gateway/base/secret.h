#ifndef GW_BASE_SECRET_H
#define GW_BASE_SECRET_H

#include "base/str.h"

/* 1: text says the secret again, as servers do that show a request to who sent it: as it is, as in
 * a form (%XX), or within Base64 of either alphabet, as in a Basic login; or a text that was cut
 * ends with its beginning. One that is shorter than 6 bytes may be any word, and is never found. */
int gw_secret_shown(struct gw_str text, struct gw_str secret);

#endif
