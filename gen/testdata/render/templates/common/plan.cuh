#pragma once
#define HEAD_DIM never read
