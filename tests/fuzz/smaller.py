"""A program that fails, made smaller as long as it fails alike."""


def smaller(program, fails):
    """Without the steps that are not needed, and with 0 for the choices that do not matter."""
    program = [[number, list(choices)] for number, choices in program]
    size = len(program) // 2
    while size:
        start = 0
        while start < len(program):
            shorter = program[:start] + program[start + size :]
            if shorter and fails(shorter):
                program = shorter
            else:
                start += size
        size //= 2
    for i, (number, choices) in enumerate(program):
        for place in range(len(choices)):
            simpler = [*choices[:place], 0, *choices[place + 1 :]]
            tried = [*program[:i], [number, simpler], *program[i + 1 :]]
            if choices[place] and fails(tried):
                program, choices = tried, simpler
    return program
