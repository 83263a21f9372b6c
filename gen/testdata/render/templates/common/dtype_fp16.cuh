#pragma once
choice of dtype: fp16 is never asked for here
