/* message.h: small files that one HSM's officer carries to another's: JSON, the bytes in hex. */
#ifndef HF_CLI_MESSAGE_H
#define HF_CLI_MESSAGE_H

#include "cli.h"

/* cli_message_write takes o over and writes it to a new file, or to standard output (path NULL).
 * Says what is wrong; an exit code. */
int cli_message_write(const char *path, json_t *o);
/* cli_message_read reads the bytes of a field, at most max; *ret lives in c->arena. False: there is
 * no such file, or no such field; it says nothing. Path "-" is standard input. */
bool cli_message_read(struct cli *c, const char *path, const char *field, size_t max, struct slice *ret);

#endif
