#ifndef GW_NET_HTTP1_HEAD_H
#define GW_NET_HTTP1_HEAD_H

#include "base/str.h"

#include <stddef.h>

struct gw_stream;

/* The head of an HTTP/1.x request, read strictly (RFC 9112, and contract.md's list of refusals).
 * The check has to look at every line, name and value anyway, so it hands them over itself: a
 * lenient parser behind it would only read the same bytes again. */
struct gw_http1_head {
    int version;    /* 10 or 11 */
    int chunked;    /* the one Transfer-Encoding there is */
    int keep_alive; /* the peer expects the connection to stay */
    int expect;     /* 100-continue */
    int is_head;    /* HEAD: no body in the answer */
    int foreign;    /* refused, and it does not even say that it is HTTP */
};

/* Length of the head at bytes, its empty line included, or up to a bare LF; 0: not all there yet.
 * Before `from` there is neither. */
size_t gw_http1_head_length(struct gw_str bytes, size_t from);
/* Of one that is not all there: it has a bare CR, and need not be waited for. */
int gw_http1_head_is_broken(struct gw_str bytes, size_t from);
/* Reads a whole head into s (method, path, authority, headers; all on its arena). NULL, or why it
 * is refused. */
const char *gw_http1_head_read(struct gw_str head, struct gw_stream *s, struct gw_http1_head *out);

/* ---- for answers (http1_answer.c), and for what is sent on ---- */

/* One line without its CRLF; -1: it has no proper end. */
int gw_http1_line(struct gw_str *rest, struct gw_str *line);
struct gw_str gw_http1_trim(struct gw_str s); /* without outer blanks */
/* HOST or HOST:PORT, of what RFC 3986 lets them be made of; nothing at all is one too. */
int gw_http1_is_authority(struct gw_str s);
/* word is one of the comma separated ones, in any case of letters. */
int gw_http1_lists(struct gw_str value, const char *word);

#endif
