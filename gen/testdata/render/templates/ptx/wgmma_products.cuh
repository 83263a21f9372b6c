#pragma once
// so that a template compiles as it stands
