/* receive.h: the end of a clone, on the HSM that asked for it. */
#ifndef HF_CLI_RECEIVE_H
#define HF_CLI_RECEIVE_H

#include <stdio.h>

#include "cli.h"

/* cli_receive takes the clone that lies in f into the session's partition; f stays the caller's. Says
 * what is wrong, or prints what became of the objects; an exit code. */
int cli_receive(struct cli *c, uint64_t session, FILE *f);

#endif
