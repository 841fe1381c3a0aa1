#ifndef GW_HOOK_PATTERN_H
#define GW_HOOK_PATTERN_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_MATCH_CAPTURES = 32 };

/* One use of a Lua pattern: pattern.c matches, patterns.c has the library's functions. */
struct gw_match {
    lua_State *L;
    const char *text, *text_end, *pat, *pat_end;
    uint64_t unpaid; /* steps */
    int anchored;    /* pat is behind the ^ */
    int head;        /* the first character of a match: any, or one of pat's first item */
    const char *head_item, *head_end;
    int calls; /* left */
    int n;     /* captures, finished or not */
    struct {
        const char *start;
        ptrdiff_t len; /* negative: open, or a position */
    } cap[GW_MATCH_CAPTURES];
};

/* Text and pattern from the stack; the text must stay there. */
void gw_match_init(struct gw_match *m, lua_State *L, int text, int pat);
/* A ^ at the beginning anchors the pattern. Not asked for, it is a character. */
void gw_match_anchor(struct gw_match *m);
/* The end of the first match at *s or behind, where *s then is; anchored, only at *s. NULL: there
 * is none. Charges each step. */
const char *gw_match_from(struct gw_match *m, const char **s);
/* Charges what is left to charge; before anything of the script's runs, and at the end. */
void gw_match_pay(struct gw_match *m);
void gw_match_push(struct gw_match *m, int i, const char *s, const char *e);
/* All captures, or with s the whole match when there are none. */
int gw_match_push_all(struct gw_match *m, const char *s, const char *e);
int gw_match_is_plain(const struct gw_match *m); /* no character of the pattern is special */

#endif
