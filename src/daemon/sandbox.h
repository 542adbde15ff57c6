/* sandbox.h: what a process gives up, for good. */
#ifndef HF_SANDBOX_H
#define HF_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/* sandbox_harden: not dumpable, no core file, no new privileges, dies with its
 * parent; as many descriptors and as much locked memory as it may have. Every role calls it first. */
enum hf_err sandbox_harden(void) HF_MUST_CHECK;

/* sandbox_no_files takes away the whole file system and, where the kernel can, TCP,
 * abstract sockets and signals to others (Landlock). Call before threads are made.
 * Descriptors that are open stay usable. dirfd: the one directory that remains, or
 * -1. Returns the Landlock ABI in force; 0: the kernel has none. */
int sandbox_no_files(int dirfd);

/* sandbox_only_in is sandbox_no_files with several directories that remain. */
int sandbox_only_in(const int *dirs, size_t n);

/* sandbox_write_only_in leaves reading and executing, and writing in n directories
 * (-1: none); for this process and all that it starts. Returns as above. */
int sandbox_write_only_in(const int *dirs, size_t n);

/* sandbox_calls leaves only the system calls on the role's list, in all threads
 * (seccomp). Anything else ends the process. */
enum sandbox_role { SANDBOX_VAULT, SANDBOX_KEEPER };
enum hf_err sandbox_calls(enum sandbox_role role) HF_MUST_CHECK;

#endif
