#ifndef GW_CMD_CMD_H
#define GW_CMD_CMD_H

/* One file per command. argv[0] is the command's name. Returns the exit status: 0 done, 1 failed,
 * 2 wrong usage. */
int gw_cmd_run(int argc, char **argv);
int gw_cmd_check(int argc, char **argv);
int gw_cmd_dead(int argc, char **argv);
int gw_cmd_log(int argc, char **argv);
int gw_cmd_schema(int argc, char **argv);
int gw_cmd_send(int argc, char **argv);
int gw_cmd_tap(int argc, char **argv);
int gw_cmd_test(int argc, char **argv);
int gw_cmd_try(int argc, char **argv);
int gw_cmd_version(int argc, char **argv);

#endif
