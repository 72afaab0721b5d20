import { describeChecks } from './checks'

describeChecks('a process of cells that dies', 'deaths.py')
