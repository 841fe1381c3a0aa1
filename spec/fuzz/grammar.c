/* Lua programs from a grammar: every statement, expression and metamethod, the libraries, the API,
 * coroutines, and what hostile scripts do. Programs are valid: a text that does not compile for
 * another reason than one of Lua's limits is a mistake here.
 *
 * In a rule <x> is a choice among the forms of rule x, @ a number of its own for each use of a
 * form. A rule's first form leads to no other rule: it ends what gets too deep or too long. */
#include "grammar.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 7, ENOUGH = GRAMMAR_SIZE - 1500 };

struct rule {
    const char *name, *const *forms;
};

/* What the maker does is not what the fuzzer shall cover. */
#ifdef __clang__
#define UNSEEN __attribute__((no_sanitize("coverage")))
#else
#define UNSEEN
#endif

#define FORMS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct rule rules[] = {
    {"name", FORMS("a", "b", "c", "d", "e", "f", "t", "s", "n", "co", "mt", "m", "g")},
    {"int", FORMS("1", "0", "2", "3", "-1", "7", "50", "199", "200", "255", "256", "1000", "65536",
                  "1 << 20", "1 << 31", "1 << 32", "1 << 62", "math.maxinteger", "math.mininteger",
                  "0x7fffffff", "131071 * <int>", "#<exp>", "n")},
    {"number", FORMS("1", "0.5", "-0.0", "1e308", "1e-308", "0x.8p1", "0x1p-1074", "3.", "1 / 0",
                     "-1 / 0", "0 / 0", "1e15", "2^53", "math.pi", "<int>", "<int>", "<int>")},
    {"text", FORMS("'x'", "''", "'a1 b2 c3'", "'\\0'", "'\\xff\\xfe'", "'\\u{7FFFFFFF}'", "'é'",
                   "'\\z   y'", "([[long]])", "([==[ ]] ]==])", "'10'", "'0x10'", "' 1 '", "'1e1'",
                   "'nan'", "s", "('x'):rep(<int>)", "('ab'):rep(<int>, 'c')", "<text> .. <text>",
                   "tostring(<exp>)", "e.id", "f.phase", "'%' .. <text>", "string.char(<bytes>)")},
    {"bytes", FORMS("65", "0", "255", "65, <bytes>", "<int>")},
    {"pattern",
     FORMS("'.'", "'%a+'", "'(.-)%s'", "'^x*$'", "'%b()'", "'%f[%w]%w+'", "'()'",
           "'(a*(.)%w(%s*))'", "'%1'", "'[^%d]-'", "'[a-z'", "'%'", "'(('", "'[]]'", "'.-.-.-.-b'",
           "('a?'):rep(<int>)", "<text>", "'%' .. <text>", "'[' .. <text>")},
    {"format", FORMS("'%d'", "'%5.2f'", "'%s'", "'%q'", "'%-10s|'", "'%x'", "'%99.99f'", "'%c'",
                     "'%i %s'", "'%a'", "'%%'", "'%'", "'%p'", "'%5'", "'%.3s'", "'%g'", "<text>")},
    {"pack", FORMS("'i4'", "'<i8'", "'>I2'", "'s1'", "'z'", "'!8 d'", "'Xi16'", "'c10'", "'j'",
                   "'n'", "'i16'", "'i17'", "'!'", "'=f B b H h L l T'", "'c' .. <int>", "<text>")},
    {"atom", FORMS("a", "nil", "true", "false", "...", "<number>", "<text>", "<name>", "<name>",
                   "{}", "event", "request", "flyte", "m", "_ENV", "_G")},
    {"exp", FORMS("a", "<atom>", "<atom>", "<atom>", "<table>", "<function>", "<call>", "<call>",
                  "<lib>", "<lib>", "<lib>", "<api>", "<api>", "<api>", "(<exp> <binary> <exp>)",
                  "(<exp> <binary> <exp>)", "(<unary> <exp>)", "<name>[<exp>]", "<name>.x",
                  "<object>", "<coroutine>", "<view>", "select(<int>, <exps>)", "(<exp>)",
                  "(<exp> and <exp> or <exp>)")},
    {"exps", FORMS("a", "<exp>", "<exp>", "<exp>, <exps>", "...", "table.unpack(<exp>)")},
    {"binary", FORMS("..", "+", "-", "*", "/", "//", "%", "^", "&", "|", "~", "<<", ">>", "..",
                     "==", "~=", "<", "<=", ">", ">=", "and", "or")},
    {"unary", FORMS("-", "not", "#", "~")},
    {"field", FORMS("1", "<exp>", "x = <exp>", "[<exp>] = <exp>", "<metakey> = <function>")},
    {"fields", FORMS("1", "<field>", "<field>, <fields>", "<field>; <fields>")},
    {"table", FORMS("{}", "{<fields>}", "{<exps>}", "{<fields>, <exps>}", "{{{}}}")},
    {"metakey", FORMS("__index", "__newindex", "__call", "__concat", "__eq", "__lt", "__le",
                      "__len", "__unm", "__add", "__sub", "__mul", "__div", "__mod", "__pow",
                      "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__bnot", "__close",
                      "__gc", "__mode", "__name", "__tostring", "__pairs", "__metatable")},
    {"meta",
     FORMS("{}", "mt", "{<metakey> = <function>}", "{<metakey> = <exp>}",
           "{<metakey> = <function>, <metakey> = <function>, <metakey> = <exp>}", "{__mode = 'k'}",
           "{__mode = 'v'}", "{__mode = 'kv'}", "{__name = <text>}", "{__index = <object>}",
           "{__index = <name>, __newindex = <name>}", "{__close = function(...) <block> end}",
           "{__call = <object>}", "{__tostring = function(...) return <exp> end}",
           "{__len = function(...) return <int> end}",
           "{__pairs = function(t, ...) return next, t, <exp> end}")},
    {"object", FORMS("a", "setmetatable({}, <meta>)", "setmetatable(<table>, <meta>)",
                     "setmetatable(<exp>, <exp>)")},
    {"function",
     FORMS("print", "function(...) <block> end", "function(a, ...) <block> end",
           "function(a, b, ...) return <exps> end", "function(...) return ... end",
           "function(...) error(<exp>) end", "<libname>", "g", "coroutine.wrap(<function>)")},
    {"libname",
     FORMS("print", "tostring", "pairs", "next", "rawequal", "rawget", "rawset", "rawlen", "error",
           "pcall", "select", "string.rep", "string.byte", "string.len", "math.random", "math.ult",
           "coroutine.yield", "coroutine.running", "load", "table.concat", "table.unpack", "type",
           "setmetatable", "m.copy", "m.clean", "m.json.encode", "require", "utf8.char", "assert")},
    {"call",
     FORMS("g(a)", "g(<exps>)", "<name>(<exps>)", "pcall(<function>, <exps>)", "pcall(<exps>)",
           "xpcall(<function>, <function>, <exps>)", "(<function>)(<exps>)", "<name>:x(<exps>)",
           "<name>.x(<exps>)", "pcall(pcall, <function>)", "('x'):<strname>(<exps>)",
           "(<text>):<strname>(<exps>)", "assert(<exps>)", "error(<exps>)")},
    {"strname", FORMS("len", "rep", "sub", "byte", "upper", "lower", "reverse", "format", "find",
                      "match", "gmatch", "gsub", "pack", "unpack", "packsize")},
    {"lib", FORMS("type(a)", "<string>", "<string>", "<tables>", "<tables>", "<others>", "<others>",
                  "<loads>")},
    {"string",
     FORMS("('x'):len()", "string.format(<format>, <exps>)",
           "string.format(<format> .. <format>, <exps>)", "string.rep(<text>, <int>)",
           "string.rep(<text>, <int>, <text>)", "string.sub(<text>, <int>, <int>)",
           "string.byte(<text>, <int>, <int>)", "string.upper(<text>)", "string.lower(<text>)",
           "string.reverse(<text>)", "#<text>", "string.find(<text>, <pattern>)",
           "string.find(<text>, <pattern>, <int>, <exp>)", "string.match(<text>, <pattern>, <int>)",
           "string.gsub(<text>, <pattern>, <text>)", "string.gsub(<text>, <pattern>, <function>)",
           "string.gsub(<text>, <pattern>, <exp>, <int>)", "string.gmatch(<text>, <pattern>)()",
           "string.pack(<pack>, <exps>)", "string.unpack(<pack>, <text>, <int>)",
           "string.packsize(<pack>)", "utf8.char(<bytes>)", "utf8.len(<text>, <int>, <int>, <exp>)",
           "utf8.codepoint(<text>, <int>, <int>)", "utf8.offset(<text>, <int>, <int>)",
           "tonumber(<text>)", "tonumber(<text>, <int>)", "tostring(<exp>)", "utf8.charpattern")},
    {"tables",
     FORMS("#t", "table.insert(<exp>, <exp>)", "table.insert(<exp>, <int>, <exp>)",
           "table.remove(<exp>, <int>)", "table.concat(<exp>, <text>, <int>, <int>)",
           "table.concat(<table>)", "table.unpack(<exp>, <int>, <int>)", "table.pack(<exps>)",
           "table.move(<exp>, <int>, <int>, <int>, <exp>)",
           "table.move(<exp>, <int>, <int>, <int>)", "table.sort(<exp>)",
           "table.sort(<table>, <function>)", "next(<exp>, <exp>)", "next(<exp>)",
           "rawget(<exp>, <exp>)", "rawset(<exp>, <exp>, <exp>)", "rawlen(<exp>)",
           "rawequal(<exp>, <exp>)", "pairs(<exp>)", "ipairs(<exp>)", "getmetatable(<exp>)")},
    {"others", FORMS("type(t)", "select('#', <exps>)", "math.floor(<exp>)", "math.tointeger(<exp>)",
                     "math.random(<int>, <int>)", "math.randomseed(<exps>)", "math.max(<exps>)",
                     "math.fmod(<exp>, <exp>)", "math.ult(<int>, <int>)", "math.type(<exp>)",
                     "math.sqrt(<exp>)", "math.log(<exp>, <exp>)", "os.time()", "os.time(<exp>)",
                     "os.clock()", "os.time{year = <int>, month = <int>, day = <int>}",
                     "os.date(<text>, <int>)", "os.date('*t', <int>)", "collectgarbage('count')",
                     "collectgarbage(<exps>)", "require(<text>)", "require 'moongate'",
                     "print(<exps>)", "type(<exps>)")},
    {"loads",
     FORMS("load('return 1')", "load(<text>)", "load('return ' .. <text>)()", "load(<function>)",
           "load('local a <close> = ...; return ' .. <text>, 'x', 't', <exp>)",
           "load(('('):rep(<int>))", "load('return ' .. ('a..'):rep(199) .. 'a')",
           "load(coroutine.wrap(function(...) while true do coroutine.yield(<text>) end end))",
           "load(('if a then else'):rep(<int>) .. ' end')", "load('\\27Lua' .. <text>, 'b', 'b')")},
    {"coroutine",
     FORMS("coroutine.running()", "coroutine.create(<function>)", "coroutine.wrap(<function>)",
           "coroutine.wrap(function(...) <block> coroutine.yield(<exps>) <block> end)",
           "coroutine.resume(<exp>, <exps>)", "coroutine.yield(<exps>)", "coroutine.close(<exp>)",
           "coroutine.status(<exp>)", "coroutine.isyieldable()",
           "coroutine.close(coroutine.running())", "coroutine.resume(co, <exps>)",
           "coroutine.wrap(<function>)(<exps>)", "coroutine.close(co)")},
    {"api", FORMS("event.id", "<attr>", "<codec>", "<codec>", "<make>", "<make>", "<request>",
                  "<request>", "flyte.<fact>", "m.params[<exp>]", "m.log.info(<exps>)",
                  "m.log.warn(<text>, <exp>)", "m.received()", "m.now()", "m.time(<exp>)",
                  "m.rfc3339(<exp>)", "m.uuid()", "m.clean(<exp>, <int>)", "m.counter(<text>)",
                  "m.counter('c', {l = <text>}):add(<number>)", "m.cache('k'):get(<exp>)",
                  "m.cache('k', {max = <int>}):set(<exp>, <exp>)", "m.cache('k'):delete(<exp>)",
                  "m.lookup(<text>, <text>)", "m.proto.load(<text>)", "m.http.get(<text>, <exp>)",
                  "m[<text>]", "m.retry", "m.pipeline", "m.version", "m.flyte.execution(<exp>)")},
    {"attr", FORMS("event.id", "event.subject", "event.data", "event.time", "event.type", "event.x",
                   "event[<text>]", "event.reason", "event.datacontenttype", "event.specversion")},
    {"fact", FORMS("kind", "phase", "failed", "terminal", "project", "error_message", "x")},
    {"codec", FORMS("m.json.null", "m.json.encode(<exp>)", "m.json.decode(<text>)",
                    "m.json.decode(m.json.encode(<exp>))", "m.json.decode('[' .. <text> .. ']')",
                    "m.json.decode('[]')", "m.base64.encode(<text>)", "m.base64.decode(<text>)",
                    "m.base64.decode(m.base64.encode(<text>))", "m.hex(<text>)", "m.sha256(<text>)",
                    "m.hmac_sha256(<text>, <text>)", "m.hash(<text>, <int>)", "m.u64(<exp>)",
                    "m.to_table(<exp>)", "m.to_json(<exp>)", "m.json.decode(('['):rep(<int>))")},
    {"make", FORMS("m.copy(event)", "m.copy(<exp>)", "m.rename(event, <text>, <text>)",
                   "m.rename(event, 'subject', 'x')", "m.new(<exp>)", "m.route(event, <exp>)",
                   "m.new{id = <text>, source = '/s', type = 't', data = <exp>}",
                   "m.route(event, {topic = <text>, key = <text>, headers = <exp>})",
                   "m.which(request, <text>)")},
    {"request",
     FORMS("request", "request.event", "request.event.phase", "request.event.error",
           "request.event[<text>]", "request.event.reasons", "request.event.reasons[<int>]",
           "request.event.custom_info", "request.event.occurred_at", "request.event.task_id.name",
           "#request.event.reasons", "tostring(request)", "tostring(request.event.occurred_at)",
           "m.which(request.event, 'output_result')", "request.event.metadata",
           "request == <exp>")},
    {"view", FORMS("event.data", "event.data.event", "event.data[<exp>]", "#event.data",
                   "event.data.event.taskId", "event.data.event[<text>]", "next(event.data)",
                   "tostring(event.data)", "event.data == <exp>", "m.to_table(event.data)")},
    {"set", FORMS("a = 1", "<name> = <exp>", "<name>, <name> = <exps>", "<name>[<exp>] = <exp>",
                  "<name>.x = <exp>", "event.<evname> = <exp>", "event.data = <exp>",
                  "event[<text>] = <exp>", "event.data.event = <exp>", "event.data[<text>] = <exp>",
                  "event.data.event.x = <exp>", "request.event.<rqname> = <exp>",
                  "request.event[<text>] = <exp>", "request.event.reasons[<int>] = <exp>",
                  "request.request_id = <exp>", "X = <exp>", "string.x = <exp>", "_G.x = <exp>",
                  "m.x = <exp>", "flyte.phase = <exp>", "mt.<metakey> = <exp>",
                  "mt.<metakey> = <function>")},
    {"evname", FORMS("id", "subject", "x", "team", "reason", "time", "type", "source",
                     "specversion", "datacontenttype", "dataschema")},
    {"rqname", FORMS("phase", "error", "custom_info", "reasons", "metadata", "occurred_at",
                     "task_id", "retry_attempt", "phase_version", "x", "output_data", "logs")},
    {"block", FORMS("a = a", "<stat>", "<stat>", "<stat> <stat>", "<stat> <block>",
                    "<stat>; <stat> do return <exps> end")},
    {"stat",
     FORMS("a = a", "<set>", "<set>", "<set>", "local <name> = <exps>", "local K <const> = <exp>",
           "local <name>, <name> = <exps>", "do <block> end",
           "do local x <close> = <object> <block> end",
           "do local x <close>, y = <object>, 1 <block> end", "if <exp> then <block> end",
           "if <exp> then <block> elseif <exp> then <block> else <block> end",
           "while <exp> do <block> break end", "while <exp> do <block> end",
           "repeat <block> until <exp>", "for i = <int>, <int> do <block> end",
           "for i = <number>, <number>, <number> do <block> if <exp> then break end end",
           "for k, v in pairs(<exp>) do <block> end", "for _, v in ipairs(<exp>) do <block> end",
           "for k, v in next, <exp> do <name>[k] = <exp> end",
           "for k in <exp>, <exp>, <exp>, <object> do <block> break end",
           "for k in (<text>):gmatch(<pattern>) do <block> end",
           "for p, c in utf8.codes(<text>) do <block> end",
           "do ::l@:: <stat> if <exp> then goto l@ end end", "do goto l@ <block> ::l@:: end",
           "local function <name>(...) <block> end", "function t.x(...) <block> end",
           "function t:x(...) <block> end", "<call>", "<call>", "<protect>", "<protect>",
           "t[#t + 1] = <exp>", "t = {t, <exp>}", "s = s .. <text>", "setmetatable(t, mt)",
           "co = <coroutine>", "for i = 1, <int> do t[i] = <exp> end",
           "for i = 1, <int> do t[i * 131071] = true end", "for i = 1, 300 do t = {t, t} end",
           "<loop>")},
    {"protect", FORMS("pcall(g)", "pcall(function(...) <block> end, <exps>)",
                      "xpcall(function(...) <block> end, function(...) <block> end, <exps>)",
                      "pcall(coroutine.wrap(function(...) <block> end), <exps>)",
                      "pcall(string.gsub, <text>, '.', function(...) <block> end)",
                      "pcall(table.sort, {3, 2, 1}, function(...) <block> end)",
                      "coroutine.resume(coroutine.create(function(...) <block> end), <exps>)")},
    {"loop",
     FORMS("a = a", "g = function(...) return g(...) end", "g = function(...) return (g(...)) end",
           "g = function(...) return pcall(g, ...) end", "mt.__index = mt", "setmetatable(mt, mt)",
           "g = function(...) return coroutine.wrap(g)(...) end",
           "g = function() return ('x'):gsub('.', g) end", "mt.__close = g", "mt.__call = mt",
           "a = coroutine.create(function() local x <close> = setmetatable({}, {__close = g}) "
           "coroutine.yield() end) coroutine.resume(a) coroutine.close(a)",
           "for i = 1, <int> do a = setmetatable({}, {__index = a, __call = a}) end")},
    {"result", FORMS("return", "return event", "return true", "return false, <exp>",
                     "return nil, <exp>", "return m.retry, <exp>", "return {event, m.copy(event)}",
                     "return <exps>", "return {<exps>}", "error(<exp>)", "return {}")},
    {"program", FORMS("", "<part> <part> <part> <result>",
                      "<part> <part> <part> <part> <part> <part> <result>",
                      "<block> <block> <block> <result>", "<part> <block> <part> <result>")},
    {"part", FORMS("g(a)", "<protect>", "<protect>", "pcall(function(...) <block> <block> end)")},
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

struct maker {
    const uint8_t *input;
    size_t left, len;
    uint64_t state;
    unsigned uses;
    char *out;
};

UNSEEN static unsigned choice(struct maker *k, unsigned n)
{
    if (k->left > 0) {
        k->left--;
        return *k->input++ % n;
    }
    k->state ^= k->state << 13;
    k->state ^= k->state >> 7;
    k->state ^= k->state << 17;
    return (unsigned)(k->state >> 33) % n;
}

UNSEEN static const struct rule *rule_named(const char *name, size_t len)
{
    for (int i = 0; i < RULES; i++)
        if (rules[i].name[0] == *name && strlen(rules[i].name) == len &&
            !memcmp(rules[i].name, name, len))
            return &rules[i];
    return NULL;
}

/* The rule that <name> at p stands for; NULL: this is no such thing, as in a < b or x <close>. */
UNSEEN static const struct rule *rule_at(const char *p, size_t *len)
{
    *len = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz");
    return p[0] == '<' && p[1 + *len] == '>' ? rule_named(p + 1, *len) : NULL;
}

UNSEEN static void expand(struct maker *k, const struct rule *r, int depth)
{
    unsigned n = 0, own = k->uses++;
    const char *p;
    size_t len;

    while (r->forms[n])
        n++;
    p = r->forms[depth >= MAX_DEPTH || k->len > ENOUGH ? 0 : choice(k, n)];
    for (; *p && k->len < GRAMMAR_SIZE - 20; p++) {
        const struct rule *inner = rule_at(p, &len);

        if (inner) {
            expand(k, inner, depth + 1);
            p += len + 1;
        } else if (*p == '@') {
            k->len += (size_t)snprintf(k->out + k->len, 12, "%u", own);
        } else {
            k->out[k->len++] = *p;
        }
    }
}

UNSEEN size_t grammar_make(const uint8_t *input, size_t len, char out[GRAMMAR_SIZE])
{
    struct maker k = {.state = 88172645463325252ULL + len, .out = out};

    for (size_t i = 0; i < len; i++)
        k.state = (k.state ^ input[i]) * 1099511628211ULL;
    k.state |= 1;
    for (int i = 0; i < 8; i++) /* the first few of a seed are alike */
        choice(&k, 1);
    k.input = input;
    k.left = len;
    k.len = (size_t)snprintf(out, 200,
                             "local m = require 'moongate' local a, b, c, d, e, f, t, s, n, co, mt "
                             "= 1, 'b', {}, {1, 2, 3}, event, flyte, {}, 'x', 2, nil, {} "
                             "local g = function(...) return ... end ");
    expand(&k, rule_named("program", 7), 0);
    out[k.len] = '\0';
    return k.len;
}
