/* card.h: a custodian's share on a smartcard, through PC/SC.
 *
 * Nothing is asked of the card but ISO 7816-4: a folder (DF) of the name F0 "HOLDFAST",
 * in it the transparent files (EF) 0001 and 0002, read and updated after VERIFY. A card
 * that is blank and lets files be made gets them; on another they, or an applet that
 * answers like them, are made with the card's own tools. A file holds
 *   "HFS1" | which writing u32 | length u16 | text
 * where the text is what a share's file would hold: sealed under the PIN as well, so that
 * a card that lets everybody read is no worse than a file. There are two, so that the share
 * before is there until the new one is in force, and a card may be pulled out at any time. */
#ifndef HF_CARD_H
#define HF_CARD_H

#include "bytes.h"
#include "err.h"

#define CARD_FILE 768u    /* bytes that a file has */
#define CARD_SHARES 2u
#define CARD_READER 128u  /* bytes of a reader's name, with the NUL */
#define CARD_READERS 32u
#define CARD_PIN_MAX 16u  /* bytes; a longer one is the share's only */

struct card;

/* card_readers names the readers that there are; HF_E_CARD_SERVICE: pcscd is not there. */
enum hf_err card_readers(char ret[CARD_READERS][CARD_READER], size_t *ret_n) HF_MUST_CHECK;

/* card_open takes the card in a reader, for this program alone; name: a part of its name
 * that no other has, or "" for the only one. HF_E_CARD_NONE: no such reader, or no card. */
enum hf_err card_open(const char *name, struct card **ret) HF_MUST_CHECK;
void card_close(struct card *c); /* NULL-safe */
const char *card_reader(const struct card *c);

/* card_verify shows the card its PIN. HF_E_PIN_INCORRECT, with the tries that are left in
 * *ret_tries (-1: the card does not say); HF_E_PIN_LOCKED. A card without a PIN is
 * content with any. */
enum hf_err card_verify(struct card *c, struct slice pin, int *ret_tries) HF_MUST_CHECK;
/* card_read appends the newest text (back 0) or the one before (1); HF_E_CARD_EMPTY: there
 * is none. card_write puts one in the place of the older, and reads it back; HF_E_CARD:
 * the card does not do it (card_says: its two status bytes). */
enum hf_err card_read(struct card *c, unsigned back, struct buf *out) HF_MUST_CHECK;
enum hf_err card_write(struct card *c, struct slice text) HF_MUST_CHECK;
unsigned card_says(const struct card *c);

#endif
