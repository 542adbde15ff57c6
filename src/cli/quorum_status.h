/* quorum_status.h: what custodians there are, and what waits for them. */
#ifndef HF_QUORUM_STATUS_H
#define HF_QUORUM_STATUS_H

#include "cli.h"

/* share_hsm fills in what a share's label has of the HSM, as its status has it: the serial
 * number, into room, and how passphrases are stretched. */
struct share_label;
bool share_hsm(struct cli *c, char room[40], struct share_label *l);

/* custodians_now: those of the HSM, or of the role that --partition and --user name;
 * false after it has said that there are none. */
bool custodians_now(struct cli *c, uint8_t *ret_m, uint8_t *ret_n, struct slice *ret_names);
/* custodians_beside: --beside is for the first ones of an HSM; false: it has said so. */
bool custodians_beside(struct cli *c);

/* quorum_shown shows a custodian what is asked of him, and asks at a terminal whether he
 * agrees. *request 0 becomes the only one that waits, where there is one: what he was
 * shown is what his share is for. */
bool quorum_shown(struct cli *c, uint64_t *request);

#endif
