/* keeper_link.h: the vault's end of the socketpair to the keeper. */
#ifndef HF_KEEPER_LINK_H
#define HF_KEEPER_LINK_H

#include "hsm.h"

/* keeper_link_open starts the thread that reads answers from fd. When the keeper
 * goes, the process ends at once (exit code 3): without memory there is no HSM,
 * and the monitor starts both anew. */
enum hf_err keeper_link_open(int fd, struct keeper **ret) HF_MUST_CHECK;

#define EXIT_KEEPER_GONE 3

#endif
