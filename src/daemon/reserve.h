/* reserve.h: room on the disk that is held back for the last words of an HSM whose disk is full. */
#ifndef HF_RESERVE_H
#define HF_RESERVE_H

#include <stdbool.h>

/* reserve_hold sees to it that the room is held back in directory dir. false, with errno: it is not, the
 * disk is full or cannot be written to. */
bool reserve_hold(int dir);
/* reserve_needed: besides what is held back, no more than that is free. */
bool reserve_needed(int dir);
/* reserve_release gives the room to whoever writes next. false: none was held back. */
bool reserve_release(int dir);

#endif
