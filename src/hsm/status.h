/* status.h: what 'holdfast status' tells. */
#ifndef HF_STATUS_H
#define HF_STATUS_H

#include "module.h"

enum hf_err facts_new(struct facts **ret) HF_MUST_CHECK;
void facts_free(struct facts *f); /* NULL-safe */

/* status_facts lists them all, what is counted now included; they live in a. */
enum hf_err status_facts(struct hsm *h, struct arena *a, struct fact_list *ret) HF_MUST_CHECK;

/* selftest_run runs the self-tests, notes the results as a fact, and lists them
 * where list is not NULL. False: one failed, the HSM is in its error state. */
bool selftest_run(struct hsm *h, struct arena *a, struct fact_list *ret);
/* selftest_results tells of each how it ended when it ran last. */
enum hf_err selftest_results(struct hsm *h, struct arena *a, struct selftest_result_list *ret)
	HF_MUST_CHECK;

#endif
