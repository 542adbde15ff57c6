/* The functions that are not there yet. An empty answer beats a wrong one: they
 * all say CKR_FUNCTION_NOT_SUPPORTED. */
#include "module.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static CK_RV not_supported(void)
{
	ENTER(e);
	return CKR_FUNCTION_NOT_SUPPORTED;
}

#define UNSUPPORTED(name, args) \
	CK_RV name args         \
	{                       \
		return not_supported(); \
	}

CK_FUNCTIONS_MESSAGE_(UNSUPPORTED)
CK_FUNCTIONS_WRAP_AUTHENTICATED_(UNSUPPORTED)
