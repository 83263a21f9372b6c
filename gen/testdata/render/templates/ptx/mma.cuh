#pragma once
struct Mma {};



